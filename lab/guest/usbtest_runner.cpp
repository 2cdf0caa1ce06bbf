// Runs cases of the kernel's usbtest module against the device that it is bound to.
//
// usbtest exercises a host controller driver, and behind vhci_hcd that means the whole of an
// exporter: queued bulk, scatter-gather lists, control, unlinking, halts, isochronous. A case is
// started by an ioctl on the interface, passed through the device's usbfs node; the module leaves
// the time it took in the same structure, and its verdict in errno.
//
// Source: linux, drivers/usb/misc/usbtest.c (struct usbtest_param_32, usbtest_ioctl) and
// include/uapi/linux/usbdevice_fs.h (USBDEVFS_IOCTL).

#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace {

constexpr std::string_view kUsage =
    R"(usage: usbtest_runner [--device BUSID] [--json] [--allow-unsupported] CASE...

Runs usbtest cases, in the order given, on the device that usbtest is bound to.

  CASE                  number[:iterations=N][,length=N][,vary=N][,sglen=N]
                        (default 100 iterations, length 512, vary 512, sglen 8)
  --device BUSID        the device, such as 3-1; needed when usbtest is bound to several
  --json                one JSON object per case, one per line
  --allow-unsupported   a case that the device has no endpoints for is not a failure

Exits 0 if every case passed, 1 if one failed, 2 on wrong usage.
)";

// The module accepts this form, with 32-bit times, on every architecture.
struct UsbtestParam {
  std::uint32_t test_num;
  std::uint32_t iterations;
  std::uint32_t length;
  std::uint32_t vary;
  std::uint32_t sglen;
  std::int32_t duration_sec;
  std::int32_t duration_usec;
};
static_assert(sizeof(UsbtestParam) == 28);

constexpr auto kUsbtestRequest = static_cast<int>(_IOWR('U', 100, UsbtestParam));

// An interface that usbtest is bound to: where its device's usbfs node is, and which one it is.
struct Target {
  std::string node;
  unsigned interface_number = 0;
};

struct Options {
  std::string device;
  bool json = false;
  bool allow_unsupported = false;
  std::vector<UsbtestParam> cases;
};

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "9:iterations=300,length=64"
std::optional<UsbtestParam> parse_case(std::string_view text) {
  UsbtestParam param{.test_num = 0,
                     .iterations = 100,
                     .length = 512,
                     .vary = 512,
                     .sglen = 8,
                     .duration_sec = 0,
                     .duration_usec = 0};
  const auto colon = text.find(':');
  const auto number = parse_number(text.substr(0, colon));
  if (!number) return std::nullopt;
  param.test_num = *number;

  auto rest = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
  while (!rest.empty()) {
    const auto comma = rest.find(',');
    const auto item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);

    const auto equals = item.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    const auto key = item.substr(0, equals);
    const auto value = parse_number(item.substr(equals + 1));
    if (!value) return std::nullopt;
    if (key == "iterations") {
      param.iterations = *value;
    } else if (key == "length") {
      param.length = *value;
    } else if (key == "vary") {
      param.vary = *value;
    } else if (key == "sglen") {
      param.sglen = *value;
    } else {
      return std::nullopt;
    }
  }
  return param;
}

std::optional<Options> parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--device" && i + 1 < argc) {
      options.device = argv[++i];
    } else if (argument == "--json") {
      options.json = true;
    } else if (argument == "--allow-unsupported") {
      options.allow_unsupported = true;
    } else if (const auto param = parse_case(argument)) {
      options.cases.push_back(*param);
    } else {
      std::fprintf(stderr, "usbtest_runner: cannot understand '%s'\n", argv[i]);
      return std::nullopt;
    }
  }
  if (options.cases.empty()) return std::nullopt;
  return options;
}

unsigned read_attribute(const std::filesystem::path& path, std::ios_base& (*base)(std::ios_base&)) {
  unsigned value = 0;
  std::ifstream(path) >> base >> value;
  return value;
}

// Looks through the interfaces bound to usbtest, which sysfs names "BUSID:CONFIGURATION.INTERFACE".
std::vector<Target> find_targets(const std::string& wanted_busid) {
  std::vector<Target> targets;
  std::error_code error;
  for (const auto& entry :
       std::filesystem::directory_iterator("/sys/bus/usb/drivers/usbtest", error)) {
    const auto name = entry.path().filename().string();
    const auto colon = name.find(':');
    if (colon == std::string::npos) continue;  // bind, unbind, new_id, module
    const auto busid = name.substr(0, colon);
    if (!wanted_busid.empty() && busid != wanted_busid) continue;

    const std::filesystem::path device = "/sys/bus/usb/devices/" + busid;
    char node[64];
    std::snprintf(node, sizeof(node), "/dev/bus/usb/%03u/%03u",
                  read_attribute(device / "busnum", std::dec),
                  read_attribute(device / "devnum", std::dec));
    targets.push_back({node, read_attribute(entry.path() / "bInterfaceNumber", std::hex)});
  }
  return targets;
}

// Runs one case; returns 0 or the errno that the module ended it with.
int run_case(int node, unsigned interface_number, UsbtestParam& param) {
  usbdevfs_ioctl request{};
  request.ifno = static_cast<int>(interface_number);
  request.ioctl_code = kUsbtestRequest;
  request.data = &param;
  return ioctl(node, USBDEVFS_IOCTL, &request) < 0 ? errno : 0;
}

const char* result_word(int error) {
  if (error == 0) return "passed";
  // The module has no other way to say that the altsetting lacks the endpoints for this case.
  if (error == EOPNOTSUPP) return "unsupported";
  return "failed";
}

void print_result(const UsbtestParam& param, int error, bool json) {
  const double seconds = param.duration_sec + param.duration_usec / 1e6;
  if (json) {
    std::printf(R"({"case": %u, "iterations": %u, "length": %u, "vary": %u, "sglen": %u, )"
                R"("result": "%s", "errno": %d, "seconds": %.6f})"
                "\n",
                param.test_num, param.iterations, param.length, param.vary, param.sglen,
                result_word(error), error, seconds);
  } else {
    std::printf("case %2u  %5u x length %6u, vary %5u, sglen %3u  %-11s %9.3f s%s%s\n",
                param.test_num, param.iterations, param.length, param.vary, param.sglen,
                result_word(error), seconds, error == 0 ? "" : "  ",
                error == 0 ? "" : std::strerror(error));
  }
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fputs(kUsage.data(), stderr);
    return 2;
  }

  const auto targets = find_targets(options->device);
  if (targets.size() != 1) {
    std::fprintf(stderr,
                 "usbtest_runner: usbtest is bound to %zu matching interfaces, not to one\n",
                 targets.size());
    return 1;
  }
  const Target& target = targets.front();
  const int node = open(target.node.c_str(), O_RDWR | O_CLOEXEC);
  if (node < 0) {
    std::fprintf(stderr, "usbtest_runner: cannot open %s: %s\n", target.node.c_str(),
                 std::strerror(errno));
    return 1;
  }

  bool failed = false;
  for (UsbtestParam param : options->cases) {
    const int error = run_case(node, target.interface_number, param);
    print_result(param, error, options->json);
    const bool excused = error == EOPNOTSUPP && options->allow_unsupported;
    failed = failed || (error != 0 && !excused);
  }
  close(node);
  return failed ? 1 : 0;
}

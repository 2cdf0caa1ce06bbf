// The format: "VVVV  name" for a vendor, "\tPPPP  name" for its products, "C CC  name" for a class;
// deeper lines and the other sections are passed over.
#include "periprox/physical/names.hpp"

#include <optional>
#include <unordered_map>

#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

constexpr std::size_t kMostBytes = std::size_t{16} << 20;

struct Entry {
  std::uint32_t id;
  std::string_view name;
};

/// "08f7  Vernier", with `digits` digits.
std::optional<Entry> parse_entry(std::string_view line, std::size_t digits) {
  if (line.size() < digits + 3 || line.substr(digits, 2) != "  ") return std::nullopt;
  const auto id = parse_number(line.substr(0, digits), 16);
  if (!id) return std::nullopt;
  return Entry{*id, line.substr(digits + 2)};
}

}  // namespace

struct UsbNames::Table {
  std::string text;  // What the names below are views of.
  std::unordered_map<std::uint32_t, std::string_view> vendors;
  std::unordered_map<std::uint32_t, std::string_view> products;  // By vendor << 16 | product.
  std::unordered_map<std::uint32_t, std::string_view> classes;

  void parse() {
    std::optional<std::uint32_t> vendor;
    std::string_view rest = text;
    while (!rest.empty()) {
      const auto end = std::min(rest.find('\n'), rest.size());
      parse_line(rest.substr(0, end), vendor);
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
  }

  void parse_line(std::string_view line, std::optional<std::uint32_t>& vendor) {
    if (line.empty() || line.front() == '#') return;
    if (line.front() == '\t') {
      const auto product = vendor ? parse_entry(line.substr(1), 4) : std::nullopt;
      if (product) products.emplace(*vendor << 16 | product->id, product->name);
      return;
    }
    vendor.reset();
    if (line.starts_with("C ")) {
      if (const auto code = parse_entry(line.substr(2), 2)) classes.emplace(code->id, code->name);
    } else if (const auto entry = parse_entry(line, 4)) {
      vendor = entry->id;
      vendors.emplace(entry->id, entry->name);
    }
  }
};

namespace {

template <typename Map>
std::string_view find_name(const Map& map, std::uint32_t id) {
  const auto found = map.find(id);
  return found == map.end() ? std::string_view() : found->second;
}

}  // namespace

UsbNames::UsbNames(std::vector<std::filesystem::path> candidates)
    : candidates_(std::move(candidates)) {}
UsbNames::~UsbNames() = default;
UsbNames::UsbNames(UsbNames&&) noexcept = default;
UsbNames& UsbNames::operator=(UsbNames&&) noexcept = default;

std::vector<std::filesystem::path> UsbNames::standard_places() {
  return {"/usr/share/misc/usb.ids", "/var/lib/usbutils/usb.ids", "/usr/share/hwdata/usb.ids",
          "/usr/share/usb.ids"};
}

const UsbNames::Table& UsbNames::table() const {
  if (table_) return *table_;
  table_ = std::make_unique<Table>();
  for (const auto& path : candidates_) {
    if (auto text = read_file(path, kMostBytes)) {
      table_->text = std::move(*text);
      table_->parse();
      break;
    }
  }
  return *table_;
}

std::string_view UsbNames::vendor(std::uint16_t idVendor) const {
  return find_name(table().vendors, idVendor);
}
std::string_view UsbNames::product(std::uint16_t idVendor, std::uint16_t idProduct) const {
  return find_name(table().products, static_cast<std::uint32_t>(idVendor) << 16 | idProduct);
}
std::string_view UsbNames::class_name(std::uint8_t class_code) const {
  return find_name(table().classes, class_code);
}

}  // namespace periprox::physical

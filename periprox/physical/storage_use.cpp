// Block devices are found by their folders below the device in sysfs (".../block/sda/sda1"); their
// use by number in mountinfo, by name in /proc/swaps, and by the links in "holders".
#include "periprox/physical/storage_use.hpp"

#include <sys/stat.h>

#include <sstream>
#include <vector>

#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

constexpr int kDeepest = 12;  // 1-1/1-1:1.0/host0/target0:0:0/0:0:0:0/block/sda/sda1 needs 7

struct BlockDevice {
  std::string name;
  std::string number;  // "8:1"
  std::filesystem::path folder;
};

bool is_real_folder(const std::filesystem::path& path) {
  struct stat status {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// A disk and its partitions are the folders that have both "dev" and "holders".
void find_block_devices(const std::filesystem::path& folder, bool below_block, int depth,
                        std::vector<BlockDevice>& found) {
  if (depth > kDeepest) return;
  for (const auto& name : list_folder(folder)) {
    const auto path = folder / name;
    if (!is_real_folder(path)) continue;
    const bool block = below_block || name == "block";
    const auto number = block ? read_attribute(path / "dev") : std::nullopt;
    if (number) found.push_back({name, *number, path});
    find_block_devices(path, block, depth + 1, found);
  }
}

/// The fields of mountinfo: id, parent, major:minor, root, mount point, ..., "-", type, source.
std::optional<std::string> mount_point(const std::string& mountinfo, const BlockDevice& device) {
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, parent, number, root, point, word, type, source;
    fields >> id >> parent >> number >> root >> point;
    while (fields >> word && word != "-") {
    }
    fields >> type >> source;
    // Some file systems (btrfs) have a number of their own, so the source counts too.
    if (number == device.number || source == "/dev/" + device.name) return point;
  }
  return std::nullopt;
}

bool is_swap(const std::string& swaps, const BlockDevice& device) {
  std::istringstream lines(swaps);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("/dev/" + device.name + " ") ||
        line.starts_with("/dev/" + device.name + "\t")) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<std::string> storage_use(const SystemPaths& paths,
                                       const std::filesystem::path& device) {
  std::vector<BlockDevice> devices;
  find_block_devices(device, false, 0, devices);
  if (devices.empty()) return std::nullopt;
  constexpr std::size_t kMost = std::size_t{4} << 20;
  // Those of the first process too: this one may live in a mount namespace of its own.
  const auto mounts = read_file(paths.proc / "self/mountinfo", kMost).value_or("") +
                      read_file(paths.proc / "1/mountinfo", kMost).value_or("");
  const auto swaps = read_file(paths.proc / "swaps", kMost).value_or("");
  for (const auto& block : devices) {
    if (const auto point = mount_point(mounts, block)) {
      return block.name + " is mounted on " + *point;
    }
    if (is_swap(swaps, block)) return block.name + " is used as swap";
    const auto holders = list_folder(block.folder / "holders");
    if (!holders.empty()) return block.name + " is part of " + holders.front();
  }
  return std::nullopt;
}

}  // namespace periprox::physical

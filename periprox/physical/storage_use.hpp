// Whether this machine uses the disks behind a device, so that taking it away would lose data.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "periprox/physical/system_paths.hpp"

namespace periprox::physical {

/// Says how a block device below the sysfs folder `device` is used: "sda1 is mounted on /mnt",
/// "sda2 is used as swap", "sda is part of dm-0". Empty when none is.
[[nodiscard]] std::optional<std::string> storage_use(const SystemPaths& paths,
                                                     const std::filesystem::path& device);

}  // namespace periprox::physical

// Names of vendors, products and classes from the list that distributions ship (usb.ids).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace periprox::physical {

/// Reads the list when a name is asked for the first time. Names are empty where the list, or the
/// file, has none. Not thread-safe.
class UsbNames {
 public:
  /// The first of these files that exists is read.
  explicit UsbNames(std::vector<std::filesystem::path> candidates = standard_places());
  ~UsbNames();
  UsbNames(UsbNames&&) noexcept;
  UsbNames& operator=(UsbNames&&) noexcept;

  [[nodiscard]] std::string_view vendor(std::uint16_t idVendor) const;
  [[nodiscard]] std::string_view product(std::uint16_t idVendor, std::uint16_t idProduct) const;
  [[nodiscard]] std::string_view class_name(std::uint8_t class_code) const;

  [[nodiscard]] static std::vector<std::filesystem::path> standard_places();

 private:
  struct Table;
  const Table& table() const;

  std::vector<std::filesystem::path> candidates_;
  mutable std::unique_ptr<Table> table_;
};

}  // namespace periprox::physical

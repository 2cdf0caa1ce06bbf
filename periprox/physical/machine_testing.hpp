// A machine made of files, for tests: a sysfs, /proc and /run in a temporary folder.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "periprox/base/bytes.hpp"
#include "periprox/physical/system_paths.hpp"
#include "periprox/usb/configuration.hpp"

namespace periprox::physical {

/// Removes everything when it goes.
class FakeMachine {
 public:
  FakeMachine() {
    std::string pattern = (std::filesystem::temp_directory_path() / "periprox.XXXXXX").string();
    root = ::mkdtemp(pattern.data());
    paths = {root / "sys", root / "dev", root / "proc", root / "run"};
    std::filesystem::create_directories(paths.usb_devices());
    write(paths.proc / "self/mountinfo", "");
    write(paths.proc / "swaps", "Filename Type Size Used Priority\n");
  }
  ~FakeMachine() { std::filesystem::remove_all(root); }
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  static void write(const std::filesystem::path& path, std::string_view text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }

  /// A high-speed device with one interface, held by `driver`; returns its folder.
  std::filesystem::path add_device(const std::string& busid, std::string_view serial,
                                   const std::string& driver = "",
                                   const std::string& controller = "pci0000:00/usb1") {
    auto folder = paths.sys / "devices" / controller / busid;
    write(folder / "busnum", "1\n");
    write(folder / "devnum", "5\n");
    write(folder / "speed", "480\n");
    write(folder / "idVendor", "08f7\n");
    write(folder / "idProduct", "0002\n");
    write(folder / "bConfigurationValue", "1\n");
    write(folder / "manufacturer", "Vernier\n");
    write(folder / "product", "Go! Temp\n");
    write(folder / "serial", std::string(serial) + "\n");
    write(folder / "descriptors", descriptors());
    std::filesystem::create_symlink("../../bus/usb/drivers/usb", folder / "driver");
    const auto interface = folder / (busid + ":1.0");
    write(interface / "bInterfaceNumber", "00\n");
    write(interface / "bInterfaceClass", "03\n");
    write(interface / "bInterfaceSubClass", "00\n");
    write(interface / "bInterfaceProtocol", "00\n");
    std::filesystem::create_directory_symlink(folder, paths.usb_devices() / busid);
    std::filesystem::create_directory_symlink(interface, paths.usb_devices() / (busid + ":1.0"));
    if (!driver.empty()) set_driver(busid, driver);
    return folder;
  }

  void set_driver(const std::string& busid, const std::string& driver) const {
    std::filesystem::create_symlink("../../bus/usb/drivers/" + driver,
                                    paths.usb_devices() / (busid + ":1.0") / "driver");
  }

  void remove_device(const std::string& busid) const {
    std::filesystem::remove_all(std::filesystem::canonical(paths.usb_devices() / busid));
    std::filesystem::remove(paths.usb_devices() / busid);
    std::filesystem::remove(paths.usb_devices() / (busid + ":1.0"));
  }

  static std::string text_of(const std::vector<std::byte>& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  static usb::DeviceDescriptor device_descriptor() {
    usb::DeviceDescriptor device;
    device.idVendor = 0x08f7;
    device.idProduct = 0x0002;
    device.bNumConfigurations = 1;
    return device;
  }

  static usb::Configuration configuration(std::uint8_t value) {
    usb::Endpoint endpoint;
    endpoint.descriptor.bEndpointAddress = 0x81;
    endpoint.descriptor.bmAttributes = 3;
    endpoint.descriptor.wMaxPacketSize = 8;
    endpoint.descriptor.bInterval = 4;
    usb::AlternateSetting setting;
    setting.descriptor.bNumEndpoints = 1;
    setting.descriptor.bInterfaceClass = 3;
    setting.endpoints = {endpoint};
    usb::Configuration made;
    made.descriptor.bConfigurationValue = value;
    made.interfaces = {{0, {setting}}};
    return made;
  }

  static std::string descriptors() {
    const auto device = device_descriptor();
    const auto head = bytes_of(device);
    return text_of({head.begin(), head.end()}) +
           text_of(usb::build_configuration(configuration(1)));
  }

  std::filesystem::path root;
  SystemPaths paths;
};

}  // namespace periprox::physical

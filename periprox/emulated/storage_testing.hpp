// A host's side of the Bulk-Only Transport, for tests of the disk.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "periprox/emulated/function_testing.hpp"
#include "periprox/emulated/storage.hpp"

namespace periprox::emulated::testing {

using usb::Status;
using usb::testing::Completion;

inline constexpr usb::EndpointAddress kIn(0x81);
inline constexpr usb::EndpointAddress kOut(0x01);
inline constexpr std::uint8_t kToHost = 0x80;
inline constexpr std::uint8_t kToDevice = 0x00;

struct Csw {
  int status = -1;
  std::uint32_t residue = 0;
  std::uint32_t tag = 0;
  friend bool operator==(const Csw&, const Csw&) = default;
};

/// A disk of 64 sectors in memory, and commands for it.
class StorageTest : public ::testing::Test, protected FunctionRig {
 protected:
  void plug_disk(const DiskImage::Options& options, ScsiDiskOptions disk = {}) {
    auto image = DiskImage::open(options);
    ASSERT_TRUE(image) << image.error().text();
    storage = std::make_shared<Storage>(ScsiDisk(std::move(disk), std::move(*image)),
                                        Surroundings{.timers = timers});
    plug({[this](Place place) { return storage_function(storage, place); }});
  }
  void SetUp() override { plug_disk({.size = 64 * 512}); }

  Completion command(std::initializer_list<int> cdb, std::uint32_t length = 0,
                     std::uint8_t flags = kToHost) {
    CommandBlockWrapper wrapper{.dCBWSignature = kCbwSignature,
                                .dCBWTag = ++tag,
                                .dCBWDataTransferLength = length,
                                .bmCBWFlags = flags,
                                .bCBWCBLength = static_cast<std::uint8_t>(cdb.size())};
    std::ranges::copy(raw_bytes(cdb), wrapper.CBWCB.begin());
    return write(kOut, bytes_of(wrapper));
  }
  Csw status() {
    const auto answer = read(kIn, 13);
    const auto csw = read_as<CommandStatusWrapper>(answer.data);
    if (!csw || csw->dCSWSignature != kCswSignature) return {};
    return {csw->bCSWStatus, csw->dCSWDataResidue, csw->dCSWTag};
  }
  Csw csw(int value, std::uint32_t residue = 0) const { return {value, residue, tag}; }
  void clear_halt(usb::EndpointAddress endpoint) {
    EXPECT_EQ(control(usb::SetupPacket::clear_halt(endpoint)).status, Status::Ok);
  }
  /// Key, code and qualifier of REQUEST SENSE.
  std::vector<int> sense() {
    EXPECT_EQ(command({0x03, 0, 0, 0, 18, 0}, 18).status, Status::Ok);
    const auto data = read(kIn, 18).data;
    EXPECT_EQ(status(), csw(0));
    if (data.size() != 18) return {};
    return {std::to_integer<int>(data[2]), std::to_integer<int>(data[12]),
            std::to_integer<int>(data[13])};
  }
  static std::vector<std::byte> pattern(std::size_t size) {
    std::vector<std::byte> bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + i / 512);
    return bytes;
  }
  /// WRITE(10) of whole sectors.
  Csw write_sectors(std::uint8_t block, Bytes data) {
    (void)command({0x2a, 0, 0, 0, 0, block, 0, 0, static_cast<int>(data.size() / 512), 0},
                  static_cast<std::uint32_t>(data.size()), kToDevice);
    EXPECT_EQ(write(kOut, data).status, Status::Ok);
    return status();
  }
  std::vector<std::byte> read_sectors(std::uint8_t block, std::uint8_t count) {
    const auto length = std::uint32_t{512} * count;
    (void)command({0x28, 0, 0, 0, 0, block, 0, 0, count, 0}, length);
    auto data = read(kIn, length).data;
    EXPECT_EQ(status(), csw(0));
    return data;
  }

  std::shared_ptr<Storage> storage;
  std::uint32_t tag = 0x1000;
};

}  // namespace periprox::emulated::testing

#include "periprox/physical/mapped_pool.hpp"

#include <gtest/gtest.h>

#include "periprox/physical/simulated_usbfs_testing.hpp"

namespace periprox::physical {
namespace {

class MappedPoolTest : public testing::Test {
 protected:
  std::shared_ptr<SimulatedUsbfs> kernel_ = std::make_shared<SimulatedUsbfs>();
};

TEST_F(MappedPoolTest, CutsSmallPayloadsFromOneBlock) {
  MappedPool pool(kernel_, 1 << 20);
  const auto first = pool.allocate(64);
  const auto second = pool.allocate(64);
  EXPECT_EQ(kernel_->mapped, 65536U);
  EXPECT_NE(first.data(), second.data());
  EXPECT_TRUE(pool.has_setup_room(first));
}

TEST_F(MappedPoolTest, MapsLargePayloadsByThemselvesAndReusesThem) {
  MappedPool pool(kernel_, 1 << 20);
  auto payload = pool.allocate(100000);
  const auto* data = payload.data();
  EXPECT_EQ(kernel_->mapped, 131072U);
  EXPECT_FALSE(pool.has_setup_room(payload));
  payload.reset();
  EXPECT_EQ(pool.allocate(131072).data(), data);
}

TEST_F(MappedPoolTest, UsesOrdinaryMemoryAboveItsLimit) {
  MappedPool pool(kernel_, 100000);
  const auto payload = pool.allocate(131072);
  EXPECT_TRUE(payload);
  EXPECT_EQ(kernel_->mapped, 0U);
  EXPECT_FALSE(pool.has_setup_room(payload));
}

TEST_F(MappedPoolTest, UnmapsIdleBlocksToMakeRoomForOthers) {
  MappedPool pool(kernel_, 131072);
  pool.allocate(131072).reset();
  const auto payload = pool.allocate(65536);
  EXPECT_EQ(kernel_->mapped, 65536U);
}

TEST_F(MappedPoolTest, UsesOrdinaryMemoryWhereTheKernelMapsNothing) {
  kernel_->maps = false;
  MappedPool pool(kernel_, 1 << 20);
  EXPECT_TRUE(pool.allocate(512));
}

TEST_F(MappedPoolTest, HasNothingForNothing) {
  MappedPool pool(kernel_, 1 << 20);
  EXPECT_FALSE(pool.allocate(0));
}

TEST_F(MappedPoolTest, PayloadsMayOutliveIt) {
  auto pool = std::make_unique<MappedPool>(kernel_, 1 << 20);
  auto payload = pool->allocate(5000);
  pool.reset();
  payload.data()[4999] = std::byte{1};
  payload.reset();
  EXPECT_EQ(kernel_->mapped, 0U);
}

}  // namespace
}  // namespace periprox::physical

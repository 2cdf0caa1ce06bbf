#include "periprox/link/shared_memory.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <optional>

#include "periprox/link/pass_descriptor.hpp"
#include "periprox/link/testing.hpp"
#include "periprox/loop/loop.hpp"

namespace periprox::link {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(SharedMemory, IsSeenByWhoeverMapsIt) {
  auto created = create_shared_memory(65536);
  ASSERT_TRUE(created);
  auto mapped = map_sealed(std::move(created->second), 65536);
  ASSERT_TRUE(mapped);
  created->first.bytes[65535] = std::byte{7};
  EXPECT_EQ(mapped->bytes[65535], std::byte{7});
}

TEST(SharedMemory, CannotBeCutOff) {
  auto created = create_shared_memory(65536);
  ASSERT_TRUE(created);
  EXPECT_NE(::ftruncate(created->second.get(), 0), 0);
}

TEST(SharedMemory, RefusesMemoryThatCouldBeCutOff) {
  UniqueFd fd(::memfd_create("test", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(fd.get(), 65536), 0);
  EXPECT_EQ(map_sealed(std::move(fd), 65536).error().kind, Error::Kind::Malformed);
}

TEST(SharedMemory, RefusesMemoryOfAnotherSize) {
  auto created = create_shared_memory(65536);
  EXPECT_EQ(map_sealed(std::move(created->second), 131072).error().kind, Error::Kind::Malformed);
}

TEST(SharedMemory, RefusesAnEmptyFile) {
  EXPECT_FALSE(map_file("/dev/null", 0));
  EXPECT_FALSE(map_file("/nonexistent/file", 0));
}

TEST(SharedMemory, RefusesAPciDeviceThatIsNoIvshmem) {
  EXPECT_EQ(map_ivshmem("ffff:ff:1f.7", Caching::Uncached).error().kind, Error::Kind::NotFound);
}

class PassDescriptor : public ::testing::Test {
 protected:
  Result<PassedDescriptor> receive(std::size_t size, Duration timeout = seconds(10)) {
    std::optional<Result<PassedDescriptor>> passed;
    receive_descriptor(loop, std::move(sockets.a), size, timeout,
                       [&](auto result) { passed = std::move(result); });
    loop.run_until([&] { return passed.has_value(); });
    return std::move(*passed);
  }
  Loop loop;
  testing::FdPair sockets = testing::socket_pair();
};

TEST_F(PassDescriptor, ArrivesWithItsMessage) {
  auto pipe = testing::make_pipe();
  ASSERT_TRUE(send_descriptor(sockets.b.get(), bytes_of_text("hello"), pipe.b.get()));
  auto passed = receive(5);
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed->message.size(), 5U);
  ASSERT_EQ(::write(passed->fd.get(), "x", 1), 1);
  EXPECT_EQ(testing::read_all(pipe.a.get(), 1), "x");
}

TEST_F(PassDescriptor, RefusesAMessageWithoutOne) {
  ASSERT_EQ(::send(sockets.b.get(), "hello", 5, 0), 5);
  EXPECT_EQ(receive(5).error().kind, Error::Kind::Malformed);
}

TEST_F(PassDescriptor, RefusesAnotherSize) {
  auto pipe = testing::make_pipe();
  ASSERT_TRUE(send_descriptor(sockets.b.get(), bytes_of_text("hell"), pipe.b.get()));
  EXPECT_EQ(receive(5).error().kind, Error::Kind::Malformed);
}

TEST_F(PassDescriptor, SaysWhenThePeerHangsUp) {
  sockets.b.reset();
  EXPECT_NE(receive(5).error().why.find("closed"), std::string::npos);
}

TEST_F(PassDescriptor, DoesNotWaitForEver) {
  EXPECT_EQ(receive(5, milliseconds(1)).error().kind, Error::Kind::Failed);
}

}  // namespace
}  // namespace periprox::link

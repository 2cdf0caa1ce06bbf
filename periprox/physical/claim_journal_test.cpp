#include "periprox/physical/claim_journal.hpp"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "periprox/physical/machine_testing.hpp"
#include "periprox/physical/sysfs.hpp"

namespace periprox::physical {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const ClaimNote kNote{"1-1", 1, 5, 0x08f7, 0x0002, 1, {0}};

class ClaimJournalTest : public testing::Test {
 protected:
  /// A process that takes the device and is killed.
  void take_and_die(const ClaimNote& note) const {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto record = journal_.record(note);
      ::kill(::getpid(), record ? SIGKILL : SIGTERM);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  }

  [[nodiscard]] std::filesystem::path file() const { return machine_.paths.run / "claims/1-1"; }
  [[nodiscard]] std::string probed() const {
    return read_file(machine_.paths.sys / "bus/usb/drivers_probe").value_or("");
  }

  FakeMachine machine_;
  ClaimJournal journal_{machine_.paths};

  void SetUp() override {
    machine_.add_device("1-1", "S1");
    FakeMachine::write(machine_.paths.sys / "bus/usb/drivers_probe", "");
  }
};

TEST(ClaimNote, IsReadBack) {
  const ClaimNote note{"3-1.4", 3, 127, 0xffff, 0x0001, 2, {0, 1, 255}};
  EXPECT_EQ(parse_claim_note(format_claim_note(note)), note);
}

TEST(ClaimNote, CutOffAnywhereIsNone) {
  const auto text = format_claim_note(kNote);
  for (std::size_t length = 0; length + 1 < text.size(); ++length) {
    EXPECT_EQ(parse_claim_note(text.substr(0, length)), std::nullopt) << length;
  }
}

TEST(ClaimNote, WithAnythingElseInItIsNone) {
  for (const char* text :
       {"", "periprox claim 2\n",
        "periprox claim 1\ndevice ../etc 1 5\nid 0001 0002\nconfiguration 1\nend\n",
        "periprox claim 1\ndevice 1-1 1 5\nid 10000 0002\nconfiguration 1\nend\n",
        "periprox claim 1\ndevice 1-1 1 5\nid 0001 0002\nconfiguration 1\ninterface 256\nend\n",
        "periprox claim 1\ndevice 1-1 1 5\nid 0001 0002\nconfiguration -1\nend\n"}) {
    EXPECT_EQ(parse_claim_note(text), std::nullopt) << text;
  }
}

TEST_F(ClaimJournalTest, RecordsWhileADeviceIsTaken) {
  auto record = journal_.record(kNote);
  ASSERT_TRUE(record) << record.error().text();
  EXPECT_EQ(parse_claim_note(read_file(file()).value_or("")), kNote);
  record->reset();
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, RefusesADeviceThatIsTaken) {
  const auto first = journal_.record(kNote);
  const auto second = journal_.record(kNote);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, Error::Kind::Busy);
  EXPECT_TRUE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, RestoresNothingThatIsTaken) {
  const auto record = journal_.record(kNote);
  EXPECT_THAT(journal_.restore_abandoned(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, LooksForDriversOfAnAbandonedDevice) {
  take_and_die(kNote);
  const auto restored = journal_.restore_abandoned();
  EXPECT_EQ(probed(), "1-1:1.0");
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_THAT(restored[0].left, ElementsAre(0));
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, LeavesInterfacesThatHaveADriverAlone) {
  take_and_die(kNote);
  machine_.set_driver("1-1", "usbhid");
  const auto restored = journal_.restore_abandoned();
  EXPECT_EQ(probed(), "");
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_THAT(restored[0].interfaces, ElementsAre(0));
}

TEST_F(ClaimJournalTest, LeavesADeviceThatTookThePlaceOfTheAbandonedOneAlone) {
  auto other = kNote;
  other.devnum = 4;
  take_and_die(other);
  const auto restored = journal_.restore_abandoned();
  EXPECT_EQ(probed(), "");
  ASSERT_EQ(restored.size(), 1U);
  EXPECT_THAT(restored[0].left, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, ForgetsADeviceThatIsGone) {
  take_and_die(kNote);
  machine_.remove_device("1-1");
  EXPECT_EQ(journal_.restore_abandoned().size(), 1U);
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, RemembersDriversThatAnAbandonedRecordNames) {
  take_and_die(kNote);
  auto without_driver = kNote;
  without_driver.driven.clear();
  const auto record = journal_.record(without_driver);
  EXPECT_EQ(parse_claim_note(read_file(file()).value_or(""))->driven, std::vector<std::uint8_t>{0});
}

TEST_F(ClaimJournalTest, RemovesARecordThatMeansNothing) {
  FakeMachine::write(file(), "garbage");
  EXPECT_THAT(journal_.restore_abandoned(), IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(file()));
}

TEST_F(ClaimJournalTest, TouchesNoFileThatIsNotNamedLikeADevice) {
  FakeMachine::write(machine_.paths.run / "claims/README", "text");
  EXPECT_THAT(journal_.restore_abandoned(), IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(machine_.paths.run / "claims/README"));
}

}  // namespace
}  // namespace periprox::physical

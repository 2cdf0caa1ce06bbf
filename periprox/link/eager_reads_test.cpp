#include "periprox/link/eager_reads.hpp"

#include <gtest/gtest.h>

namespace periprox::link {
namespace {

int tries_of(EagerReads& reads, int answers, bool found_something) {
  int tries = 0;
  for (int i = 0; i < answers; ++i) {
    if (!reads.worth_trying()) continue;
    ++tries;
    reads.learn(found_something);
  }
  return tries;
}

TEST(EagerReads, AreTriedNowAndThenWhereTheyFindNothing) {
  EagerReads reads;

  EXPECT_EQ(tries_of(reads, 10 * EagerReads::kTryEvery, false), 10);
}

TEST(EagerReads, AreMadeAfterEachAnswerOnceTheyFindSomething) {
  EagerReads reads;
  reads.learn(true);

  EXPECT_EQ(tries_of(reads, 100, true), 100);
}

TEST(EagerReads, OutliveASingleMiss) {
  EagerReads reads;
  reads.learn(true);
  reads.learn(false);

  EXPECT_TRUE(reads.worth_trying());
}

TEST(EagerReads, StopWhenTheyFindNothingAnyMore) {
  EagerReads reads;
  reads.learn(true);

  EXPECT_EQ(tries_of(reads, EagerReads::kTryEvery, false), EagerReads::kPatience);
}

}  // namespace
}  // namespace periprox::link

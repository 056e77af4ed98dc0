// What is kept of a state file while it is written, and of one whose writer was killed.

#include "provisioner/terraform/state_journal.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>

#include "provisioner/terraform/state_text.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::provisioner::terraform {
namespace {

using std::chrono::seconds;

std::string nested(int depth) {
  std::string text = R"({"serial":1,"deep":)";
  for (int i = 0; i < depth; ++i) text += R"(["object",{"a":)";
  text += R"(1e999,"quote":"\"}]")";
  for (int i = 0; i < depth; ++i) text += "}]";
  return text + "}\n";
}

// The journal of a file, and what it has kept.
class Journal {
 public:
  explicit Journal(const TemporaryFolder& folder)
      : journal_(folder.path() / "state", {.keep = [this](std::string_view state, std::stop_token) { keep(state); },
                                           .tell = [](const std::string&) {},
                                           .alive = {},
                                           .lost = [](const base::Error&) {}}) {}

  void wait_until_kept(std::string_view state) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return last_ == state; });
  }
  bool finish() { return journal_.finish(seconds(60), {}); }
  std::string last() {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  void keep(std::string_view state) {
    const std::lock_guard lock(mutex_);
    last_ = state;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::string last_;
  StateJournal journal_;
};

// RUN-12: of a resource with values nested deeper, and numbers greater, than our own JSON has them.
TEST(StateJournal, AStateBeyondTheLimitsOfRequestsIsKept) {
  const TemporaryFolder folder;
  Journal journal(folder);
  const auto deep = nested(100);
  folder.write("state", deep);
  journal.wait_until_kept(deep);
  const auto deeper = nested(5'000);
  folder.write("state", deeper);
  EXPECT_TRUE(journal.finish());
  EXPECT_EQ(journal.last(), deeper);
}

TEST(StateJournal, AStateThatWasCutOffIsNotTakenForKept) {
  const TemporaryFolder folder;
  Journal journal(folder);
  const auto whole = nested(3);
  folder.write("state", whole);
  journal.wait_until_kept(whole);
  folder.write("state", whole.substr(0, whole.size() / 2));
  EXPECT_FALSE(journal.finish());
  EXPECT_EQ(journal.last(), whole);
}

// Its writer was killed between the old state and the new one, or somebody took the folder away.
TEST(StateJournal, AStateThatIsThereNoMoreIsNotTakenForKept) {
  const TemporaryFolder folder;
  folder.write("state", nested(1));
  Journal journal(folder);
  folder.write("state", "");
  EXPECT_FALSE(journal.finish());
  const TemporaryFolder other;
  Journal of_gone(other);
  other.write("state", nested(2));
  of_gone.wait_until_kept(nested(2));
  std::filesystem::remove(other.path() / "state");
  EXPECT_FALSE(of_gone.finish());
  EXPECT_EQ(of_gone.last(), nested(2));
  const TemporaryFolder third;
  Journal of_never_seen(third);
  std::filesystem::remove(third.write("state", nested(2)));
  EXPECT_FALSE(of_never_seen.finish());
}

TEST(StateJournal, WhatWasThereBeforeOrIsBlankNeedsNoKeeping) {
  const TemporaryFolder folder;
  folder.write("state", nested(1));
  Journal journal(folder);
  EXPECT_TRUE(journal.finish());
  EXPECT_EQ(journal.last(), "");
  const TemporaryFolder empty;
  Journal of_none(empty);
  empty.write("state", "");
  EXPECT_TRUE(of_none.finish());
}

TEST(StateText, IsWholeFromItsFirstBracketToItsLast) {
  const auto whole = nested(2);
  EXPECT_TRUE(is_whole_state(whole));
  EXPECT_TRUE(is_whole_state(" {}\n"));
  for (std::size_t cut = 0; cut + 2 < whole.size(); ++cut) EXPECT_FALSE(is_whole_state(whole.substr(0, cut))) << cut;
  for (const char* other : {"", "\n", "{}{}", "[]", "{]", "{\"}", "}", "{\"a\\\"}"})
    EXPECT_FALSE(is_whole_state(other)) << other;
}

}  // namespace
}  // namespace slipway::provisioner::terraform

// What a daemon finds in its folder of those that were killed before it.

#include "runner/work_folder.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "provisioner/session_folder.h"
#include "provisioner/testing/temporary_folder.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

class AWorkFolder : public ::testing::Test {
 protected:
  fs::path session(const std::string& name) { return parent_.make("work/sessions/" + name + "/template"); }
  std::unique_ptr<WorkFolder> open() { return std::make_unique<WorkFolder>((parent_.path() / "work").string()); }
  bool is_there(const std::string& name) { return fs::exists(parent_.path() / "work/sessions" / name); }

  provisioner::TemporaryFolder parent_;
};

// RUN-17
TEST_F(AWorkFolder, IsCleanedOfSessionsThatHaveEnded) {
  session("one");
  parent_.write("work/sessions/two/archive", "not unpacked yet");
  parent_.write("work/sessions/three", "not of a session");
  EXPECT_EQ(open()->sessions_left(), 0u);
  EXPECT_FALSE(is_there("one"));
  EXPECT_FALSE(is_there("two"));
  EXPECT_FALSE(is_there("three"));
}

// RUN-12: they may still write their last state there.
TEST_F(AWorkFolder, IsLeftToSessionsThatAreStillAtWork) {
  auto at_work = provisioner::hold_session_folder(session("at-work"));
  session("ended");
  const auto folder = open();
  EXPECT_EQ(folder->sessions_left(), 1u);
  EXPECT_FALSE(is_there("ended"));
  const auto own = provisioner::hold_session_folder(session("own"));
  folder->remove_ended_sessions();
  EXPECT_TRUE(is_there("at-work"));
  at_work.reset();
  folder->remove_ended_sessions();
  EXPECT_EQ(folder->sessions_left(), 0u);
  EXPECT_FALSE(is_there("at-work"));
  EXPECT_TRUE(is_there("own"));
}

TEST_F(AWorkFolder, IsOneDaemonsAlone) {
  const auto first = open();
  try {
    open();
    FAIL() << "two daemons work in one folder";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "WORK_FOLDER_IN_USE");
  }
}

}  // namespace
}  // namespace slipway::runner

#include "store/file_lock.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <future>

#include "base/error.h"
#include "store/testing/temporary_database.h"

namespace slipway::store {

namespace {

TEST(FileLock, IsRefusedAtOnceWhileItsHolderLives) {
  const testing::TemporaryFolder folder;
  const std::string path = (folder.path() / "database").string();
  const FileLock held(path);
  try {
    const FileLock second(path);
    FAIL() << "two holders";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "STORE_LOCKED");
    EXPECT_NE(std::string(error.what()).find(std::to_string(::getpid())), std::string::npos);
  }
}

// A hub that is killed while it starts a program: its child has a copy of the lock until it is that program.
TEST(FileLock, IsWaitedForWhileOnlyAChildOfItsDeadHolderHasIt) {
  const testing::TemporaryFolder folder;
  const std::string path = (folder.path() / "database").string();
  std::array<int, 2> inherited{}, let_go{};
  ASSERT_EQ(::pipe(inherited.data()), 0);
  ASSERT_EQ(::pipe(let_go.data()), 0);
  const pid_t holder = ::fork();
  if (holder == 0) {
    const FileLock lock(path);
    if (::fork() == 0) {
      ::close(let_go[1]);
      std::ignore = ::write(inherited[1], "x", 1);
      char end = 0;
      std::ignore = ::read(let_go[0], &end, 1);  // until the test closes its end
    }
    ::_exit(0);  // without destructors, as if killed
  }
  ASSERT_EQ(::waitpid(holder, nullptr, 0), holder);
  char ready = 0;
  ASSERT_EQ(::read(inherited[0], &ready, 1), 1);
  auto second = std::async(std::launch::async, [&] { const FileLock lock(path); });
  ::close(let_go[1]);
  EXPECT_NO_THROW(second.get());
  for (const int fd : {inherited[0], inherited[1], let_go[0]}) ::close(fd);
}

}  // namespace

}  // namespace slipway::store

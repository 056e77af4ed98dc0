#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "store/errors.h"

namespace slipway::store {
namespace {

// A hub that is killed leaves the lock to the children that it was just starting, until they have become other
// programs.
constexpr auto kReleaseTime = std::chrono::seconds(5);
constexpr auto kLookEvery = std::chrono::milliseconds(10);

// The process that took the lock last; 0 when it did not say.
pid_t holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  return size > 0 ? pid_t(std::atoi(text.data())) : 0;
}

bool is_dead(pid_t process) { return process > 0 && ::kill(process, 0) != 0 && errno == ESRCH; }

bool try_lock(int fd, const std::string& name) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK) return false;
  throw store_unavailable(name + ": " + std::generic_category().message(errno));
}

}  // namespace

FileLock::FileLock(const std::string& path) {
  const std::string name = path + ".lock";
  fd_.reset(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_) throw store_unavailable(name + ": " + std::generic_category().message(errno));
  const auto deadline = std::chrono::steady_clock::now() + kReleaseTime;
  while (!try_lock(fd_.get(), name)) {
    const pid_t process = holder(fd_.get());
    if (!is_dead(process) || std::chrono::steady_clock::now() >= deadline) {
      const std::string who = process > 0 ? "process " + std::to_string(process) : "another process";
      throw base::Error(base::ErrorClass::conflict, "STORE_LOCKED",
                        path + " is in use by " + who + "; only one hub can use a database file");
    }
    std::this_thread::sleep_for(kLookEvery);
  }
  // A hint for people and for the next hub: a full disk must not keep the hub from starting.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd_.get(), 0) == 0) std::ignore = ::pwrite(fd_.get(), pid.data(), pid.size(), 0);
}

}  // namespace slipway::store

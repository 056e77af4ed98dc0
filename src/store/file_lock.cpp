#include "store/file_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/error.h"
#include "store/errors.h"

namespace slipway::store {
namespace {

std::string holder(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size(), 0);
  return size > 0 ? "process " + std::string(text.data(), std::size_t(size)) : "another process";
}

}  // namespace

FileLock::FileLock(const std::string& path) {
  const std::string name = path + ".lock";
  fd_.reset(::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd_) throw store_unavailable(name + ": " + std::generic_category().message(errno));
  if (::flock(fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) throw store_unavailable(name + ": " + std::generic_category().message(errno));
    throw base::Error(base::ErrorClass::conflict, "STORE_LOCKED",
                      path + " is in use by " + holder(fd_.get()) + "; only one hub can use a database file");
  }
  // Only a hint for people: a full disk must not keep the hub from starting.
  const std::string pid = std::to_string(::getpid());
  if (::ftruncate(fd_.get(), 0) == 0) std::ignore = ::pwrite(fd_.get(), pid.data(), pid.size(), 0);
}

}  // namespace slipway::store

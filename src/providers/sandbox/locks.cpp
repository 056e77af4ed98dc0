#include "providers/sandbox/locks.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#include "base/error.h"
#include "providers/sandbox/files.h"

namespace slipway::providers::sandbox {
namespace {

constexpr auto kRetryEvery = std::chrono::milliseconds(5);

struct flock whole_file() {
  struct flock range{};
  range.l_type = F_WRLCK;
  range.l_whence = SEEK_SET;
  return range;
}

bool lock(const base::UniqueFd& fd, const std::filesystem::path& path) {
  struct flock range = whole_file();
  if (::fcntl(fd.get(), F_OFD_SETLK, &range) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw base::system_error("lock " + path.string(), errno);
}

// False when the folder was removed, and perhaps made again, between our opening the file and locking it.
bool is_still_at(const base::UniqueFd& fd, const std::filesystem::path& path) {
  struct stat ours{}, there{};
  return ::fstat(fd.get(), &ours) == 0 && ::stat(path.c_str(), &there) == 0 && ours.st_ino == there.st_ino &&
         ours.st_dev == there.st_dev;
}

}  // namespace

base::UniqueFd try_lock(const std::filesystem::path& path) {
  auto fd = open_file(path, O_RDWR | O_CREAT);
  if (!lock(fd, path)) fd.reset();
  return fd;
}

bool is_locked(const std::filesystem::path& path) {
  const base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd) return false;
  struct flock range = whole_file();
  if (::fcntl(fd.get(), F_OFD_GETLK, &range) != 0) throw base::system_error("test the lock " + path.string(), errno);
  return range.l_type != F_UNLCK;
}

std::optional<OperationLock> OperationLock::acquire(const std::filesystem::path& folder, Folder mode,
                                                    std::chrono::milliseconds patience, std::stop_token stop) {
  const auto path = folder / kOperationLockFile;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    throw_if_stopped(stop);
    if (mode == Folder::make && ::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
      throw base::system_error("make " + folder.string(), errno);
    }
    base::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd && errno != ENOENT) throw base::system_error("open " + path.string(), errno);
    if (!fd && mode == Folder::must_exist) return std::nullopt;
    if (fd && lock(fd, path) && is_still_at(fd, path)) return OperationLock(std::move(fd));
    if (std::chrono::steady_clock::now() >= deadline) {
      throw base::Error(base::ErrorClass::transient, "MACHINE_BUSY",
                        "another operation on machine '" + folder.filename().string() + "' takes too long");
    }
    std::this_thread::sleep_for(kRetryEvery);
  }
}

void throw_if_stopped(const std::stop_token& stop) {
  if (!stop.stop_requested()) return;
  throw base::Error(base::ErrorClass::conflict, "CANCELLED", "the operation was cancelled");
}

}  // namespace slipway::providers::sandbox

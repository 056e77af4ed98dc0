#pragma once
// Who may touch a machine, and whether it lives: two locks on files in its folder, both released by the kernel when
// their last holder dies. They are open-file-description locks (fcntl(2), F_OFD_SETLK): inherited over fork and exec,
// and testable without taking them.

#include <chrono>
#include <filesystem>
#include <optional>
#include <stop_token>

#include "base/unique_fd.h"

namespace slipway::providers::sandbox {

// Takes the lock without waiting; empty when somebody has it. The file is made when it is not there.
base::UniqueFd try_lock(const std::filesystem::path& path);
// Whether somebody has it; false when there is no such file.
bool is_locked(const std::filesystem::path& path);

// Makes the operations on one machine take turns, across threads and processes. Dies with the process that has it, so
// a killed hub blocks nobody.
class OperationLock {
 public:
  enum class Folder { must_exist, make };
  // Waits for its turn. Empty when the folder is not there (must_exist). Throws MACHINE_BUSY (transient) at the
  // deadline, CANCELLED when `stop` was requested.
  static std::optional<OperationLock> acquire(const std::filesystem::path& folder, Folder mode,
                                              std::chrono::milliseconds patience, std::stop_token stop);

 private:
  explicit OperationLock(base::UniqueFd fd) : fd_(std::move(fd)) {}
  base::UniqueFd fd_;
};

inline constexpr const char* kOperationLockFile = "operation.lock";

// CANCELLED when it was requested.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace slipway::providers::sandbox

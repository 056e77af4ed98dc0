#pragma once
// One process at a time: a lock beside a file, freed by the kernel when its holder ends, however that happens.

#include <string>

#include "base/unique_fd.h"

namespace slipway::store {

class FileLock {
 public:
  // Takes PATH.lock. Throws STORE_LOCKED, naming the process that holds it when that is known. When that process is
  // dead and only its children have the lock still, waits some seconds for them to let go.
  explicit FileLock(const std::string& path);

 private:
  base::UniqueFd fd_;
};

}  // namespace slipway::store

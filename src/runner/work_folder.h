#pragma once
// Where a daemon keeps its sessions' files, its provisioners' caches, and archives: for itself alone.

#include <filesystem>
#include <string>

#include "base/unique_fd.h"

namespace slipway::runner {

// Makes it with mode 0700, or gives it that.
void make_private(const std::filesystem::path& folder);

class WorkFolder {
 public:
  // Makes it, with mode 0700, if it is not there, and takes away what sessions of an earlier daemon have left. Throws
  // WORK_FOLDER_IN_USE (user) while another daemon has it.
  explicit WorkFolder(const std::string& path);
  const std::string& path() const { return path_; }  // absolute

 private:
  std::string path_;
  base::UniqueFd lock_;
};

}  // namespace slipway::runner

#pragma once
// Where a daemon keeps its sessions' files, its provisioners' caches, and archives: for itself alone.

#include <filesystem>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace slipway::runner {

// Makes it with mode 0700, or gives it that.
void make_private(const std::filesystem::path& folder);

// In a session's folder: what its provisioner is told to work in, and holds (provisioner/session_folder.h).
std::string template_folder(const std::string& session);

class WorkFolder {
 public:
  // Makes it, with mode 0700, if it is not there, and takes away what sessions of an earlier daemon have left, but for
  // those that are still at work. Throws WORK_FOLDER_IN_USE (user) while another daemon has it.
  explicit WorkFolder(const std::string& path);
  const std::string& path() const { return path_; }  // absolute

  // Folders of an earlier daemon's sessions that were still at work when it was looked last, or could not be removed.
  std::size_t sessions_left() const { return left_.size(); }
  // Looks again, and takes away those that have ended. Blocking; for one thread at a time.
  void remove_ended_sessions();

 private:
  std::string path_;
  base::UniqueFd lock_;
  std::vector<std::filesystem::path> left_;
};

}  // namespace slipway::runner

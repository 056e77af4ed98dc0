#include "runner/work_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include "base/error.h"
#include "provisioner/session_folder.h"

namespace slipway::runner {

namespace fs = std::filesystem;

void make_private(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (!failure) fs::permissions(folder, fs::perms::owner_all, failure);
  if (failure) throw base::system_error("making the folder " + folder.string(), failure.value());
}

std::string template_folder(const std::string& session) { return session + "/template"; }

WorkFolder::WorkFolder(const std::string& path) : path_(fs::absolute(path).lexically_normal().string()) {
  make_private(path_);
  lock_.reset(::open((path_ + "/lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock_) throw base::system_error("opening " + path_ + "/lock", errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    throw base::Error(base::ErrorClass::user, "WORK_FOLDER_IN_USE",
                      "another daemon works in " + path_ + ": give each its own with --work");
  make_private(path_ + "/sessions");
  for (const auto& entry : fs::directory_iterator(path_ + "/sessions")) left_.push_back(entry.path());
  remove_ended_sessions();
  make_private(path_ + "/cache");
}

void WorkFolder::remove_ended_sessions() {
  std::erase_if(left_, [](const fs::path& session) {
    const auto claimed = provisioner::claim_session_folder(template_folder(session));
    std::error_code failure;
    if (claimed) fs::remove_all(session, failure);
    return claimed && !failure;
  });
}

}  // namespace slipway::runner

#include "provisioner/session_folder.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>

#include "base/error.h"

namespace slipway::provisioner {
namespace {

base::UniqueFd open_folder(const std::filesystem::path& folder) {
  return base::UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

base::UniqueFd hold_session_folder(const std::filesystem::path& folder) {
  auto held = open_folder(folder);
  if (!held) throw base::system_error("open the session's folder " + folder.string(), errno);
  while (::flock(held.get(), LOCK_SH) != 0)
    if (errno != EINTR) throw base::system_error("hold the session's folder " + folder.string(), errno);
  return held;
}

std::optional<base::UniqueFd> claim_session_folder(const std::filesystem::path& folder) {
  auto claimed = open_folder(folder);
  if (!claimed && errno != ENOENT && errno != ENOTDIR) return std::nullopt;
  if (claimed && ::flock(claimed.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  return claimed;
}

}  // namespace slipway::provisioner

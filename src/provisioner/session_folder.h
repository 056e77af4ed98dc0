#pragma once
// Who still works in a session's folder. A provisioner that is a process of its own may outlive its daemon, and write
// its last state there while the daemon has long been started again: so each session holds its folder, and what is held
// is not taken away. Held by flock(2): the kernel lets go of it when the process is gone, however it went.

#include <filesystem>
#include <optional>

#include "base/unique_fd.h"

namespace slipway::provisioner {

// Holds the folder, together with others that do, for as long as the descriptor is open. Throws (internal) if the
// folder is not there.
base::UniqueFd hold_session_folder(const std::filesystem::path& folder);

// Takes it for oneself, to remove it: nobody holds it while the descriptor is open (an empty one where there is no such
// folder). Nothing while somebody holds it, or where that cannot be known.
std::optional<base::UniqueFd> claim_session_folder(const std::filesystem::path& folder);

}  // namespace slipway::provisioner

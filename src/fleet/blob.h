#pragma once
// Files by their content: archives of templates, named by the SHA-256 of their bytes. They belong to nobody: who may
// reach them is decided by the routes.

#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "store/store.h"

namespace slipway::fleet {

inline constexpr std::size_t kBlobMax =
    std::size_t(64) * 1024 * 1024;  // bytes; a template is text, seldom more than 1 MiB

// 64 lower-case hex digits.
bool is_blob_hash(std::string_view text);

// Keeps `content` under its hash; if it is there already only its age begins anew. Throws VALIDATION_ERROR when `hash`
// is not that of `content`, and BLOB_TOO_LARGE.
void put_blob(store::Transaction& tx, const std::string& hash, std::string_view content, base::Instant now);
std::optional<std::string> find_blob(store::Transaction& tx, const std::string& hash);

// To be called by whoever writes down a blob's hash, in the same transaction: it will not be removed beneath them.
// False when it is not there.
bool hold_blob(store::Transaction& tx, const std::string& hash, base::Instant now);

// Removes those from before `before` that no template's version refers to, at most kBlobsRemovedAtOnce; gives how many.
inline constexpr std::int64_t kBlobsRemovedAtOnce = 20;  // of up to 64 MiB each
std::int64_t remove_unused_blobs(store::Transaction& tx, base::Instant before);

}  // namespace slipway::fleet

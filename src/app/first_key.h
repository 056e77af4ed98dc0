#pragma once
// The admin's API key for the command line on this machine: made on the first start, kept in DATA/client.json with mode
// 0600, made anew when that file or the key in it was lost.

#include <filesystem>
#include <string>

#include "base/id.h"
#include "base/secret.h"
#include "store/store.h"

namespace slipway::app {

// The key that the file holds if the store knows it, else a new one for the user `admin` (made if need be).
base::Secret ensure_admin_key(store::Database& database, base::IdGenerator& ids, const base::Clock& clock,
                              const std::filesystem::path& client_file);
// Replaces the file as a whole.
void write_client_file(const std::filesystem::path& client_file, const std::string& url, const base::Secret& key);

}  // namespace slipway::app

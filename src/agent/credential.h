#pragma once
// Secrets in files: the one-time token that the agent is given, and the credential that it gets for it.

#include <optional>
#include <string>

#include "base/secret.h"

namespace slipway::agent {

// Without the white space at its end; empty when there is no such file, or nothing in it.
std::optional<base::Secret> read_secret(const std::string& path);
// Readable by the owner only, and whole or not at all. Throws when it cannot be kept.
void keep_secret(const std::string& path, const base::Secret& secret);

}  // namespace slipway::agent

#pragma once
// The hash of a file, read piece by piece: of any size in little memory. Blocking.

#include <string>

namespace slipway::runner {

// Throws SYSTEM_ERROR if it cannot be read.
std::string file_sha256_hex(const std::string& path);

}  // namespace slipway::runner

#pragma once
// Small whole files: /proc entries, records, control files. Failures are SYSTEM_ERROR naming the path.

#include <filesystem>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace slipway::providers::sandbox {

// The whole text; empty when it cannot be read.
std::string read_file(const std::filesystem::path& path);
// The last `limit` bytes.
std::string read_tail(const std::filesystem::path& path, std::size_t limit);
// Either the old or the new text is found after a crash, of the process or of the machine; mode 0600.
void write_atomically(const std::filesystem::path& path, std::string_view text);
// One write(2) to an existing file, as control files want it; returns 0 or an errno.
int write_control(const std::filesystem::path& path, std::string_view text) noexcept;
// open(2) with O_CLOEXEC.
base::UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0600);
// An anonymous file in memory with this content, read from its beginning.
base::UniqueFd memory_file(const char* label, std::string_view content);
// Removes a tree that may hold folders which their owner made read-only. Absent is fine; links are not followed.
void remove_tree(const std::filesystem::path& path);

}  // namespace slipway::providers::sandbox

#pragma once
// Where programs are.

#include <optional>
#include <string>
#include <string_view>

namespace slipway::base {

// Where nothing is said.
inline constexpr std::string_view kDefaultPath = "/usr/local/bin:/usr/bin:/bin";

// A regular file that this process may execute.
bool is_program(const std::string& path);

// The first program of this name in the folders that `path` lists, as PATH does. Only absolute folders count: what is
// found is to be started from somewhere else.
std::optional<std::string> find_program(std::string_view name, std::string_view path);

}  // namespace slipway::base

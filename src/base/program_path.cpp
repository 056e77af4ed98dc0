#include "base/program_path.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace slipway::base {

bool is_program(const std::string& path) {
  struct stat facts;
  return ::stat(path.c_str(), &facts) == 0 && S_ISREG(facts.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::optional<std::string> find_program(std::string_view name, std::string_view path) {
  while (!path.empty()) {
    const auto end = std::min(path.find(':'), path.size());
    auto candidate = std::string(path.substr(0, end)) + '/' + std::string(name);
    if (path.starts_with('/') && is_program(candidate)) return candidate;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return std::nullopt;
}

}  // namespace slipway::base

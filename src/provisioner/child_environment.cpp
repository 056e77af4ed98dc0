#include "provisioner/child_environment.h"

#include <string_view>

namespace slipway::provisioner {

std::map<std::string, std::string> child_environment(const char* const* environment) {
  std::map<std::string, std::string> passed;
  for (; *environment != nullptr; ++environment) {
    const std::string_view variable(*environment);
    const auto equals = variable.find('=');
    if (equals == variable.npos) continue;
    const auto name = variable.substr(0, equals);
    if (!name.starts_with("SLIPWAY_") && !name.starts_with("PG")) passed.emplace(name, variable.substr(equals + 1));
  }
  return passed;
}

}  // namespace slipway::provisioner

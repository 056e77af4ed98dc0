#pragma once
// What every provider refuses in a spec, whatever its backend. Each throws VALIDATION_ERROR naming the field.

#include <vector>

#include "providers/provider.h"

namespace slipway::providers {

// RFC 1035 §2.3.1: lower-case letters, digits and dashes, begins with a letter, ends with a letter or digit.
inline constexpr std::size_t kMachineNameMaxLength = 63;

bool is_machine_name(std::string_view name);
void validate_name(std::string_view name);
// Returns the type that the spec names; the error lists those that there are.
const MachineType& validate_machine_type(const std::string& name, const std::vector<MachineType>& types);
// Names as a shell takes them, values without NUL. SLIPWAY_ names are the agent's own.
void validate_environment(const std::map<std::string, std::string>& environment);

}  // namespace slipway::providers

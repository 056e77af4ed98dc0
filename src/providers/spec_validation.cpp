#include "providers/spec_validation.h"

#include <algorithm>

#include "base/error.h"

namespace slipway::providers {
namespace {

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_variable_name(std::string_view name) {
  const auto fits = [](char c) { return is_letter(c) || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_'; };
  return !name.empty() && !is_digit(name.front()) && std::ranges::all_of(name, fits);
}

}  // namespace

bool is_machine_name(std::string_view name) {
  const auto fits = [](char c) { return is_letter(c) || is_digit(c) || c == '-'; };
  return !name.empty() && name.size() <= kMachineNameMaxLength && is_letter(name.front()) && name.back() != '-' &&
         std::ranges::all_of(name, fits);
}

void validate_name(std::string_view name) {
  if (is_machine_name(name)) return;
  throw base::validation_error(
      "name",
      "must be 1 to 63 lower-case letters, digits and dashes, begin with a letter and end with "
      "a letter or a digit");
}

const MachineType& validate_machine_type(const std::string& name, const std::vector<MachineType>& types) {
  const auto found = std::ranges::find(types, name, &MachineType::name);
  if (found != types.end()) return *found;
  json::Array allowed;
  for (const auto& type : types) allowed.emplace_back(type.name);
  throw base::validation_error("machine_type", "'" + name + "' is not a machine type of this provider",
                               std::move(allowed));
}

void validate_environment(const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment) {
    const std::string field = "environment/" + name;
    if (!is_variable_name(name)) {
      throw base::validation_error(field, "is not a name of a variable: letters, digits and _, not a digit first");
    }
    if (name.starts_with("SLIPWAY_"))
      throw base::validation_error(field, "names that begin with SLIPWAY_ are reserved");
    if (value.contains('\0')) throw base::validation_error(field, "a value cannot hold a NUL character");
  }
}

}  // namespace slipway::providers

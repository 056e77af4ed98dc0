#pragma once
// What a user gives for a template's parameters, against what the template says of them (RUN-24). Plain functions.

#include <map>
#include <string>
#include <vector>

#include "fleet/template_parts.h"

namespace slipway::fleet {

// The values that a build gets, in the order of `parameters`: given now, else as at the build before, else the default.
// `previous`: the values of the build before; none for the first. One of a parameter that is no more is dropped.
//
// Throws VALIDATION_ERROR naming parameters/NAME for a name that is unknown, a value that is not of the type, not among
// the options, out of bounds, or not of the pattern, and for the change of one that is immutable; and
// MISSING_TEMPLATE_PARAMETER (user; details.names) when a required one has no value. A value that comes from `previous`
// is checked as well, because the template may have changed since.
std::vector<NamedValue> resolve_parameters(const std::vector<TemplateParameter>& parameters,
                                           const std::map<std::string, std::string>& given,
                                           const std::vector<NamedValue>& previous);

// One value against what the template says of it; throws as above.
void check_value(const TemplateParameter& parameter, const std::string& value);

// The values that a stop or a destroy gets: those that are `remembered`, and of the parameters that are not among them
// the `last_start`'s, else the default, else one of the type for what is required. Nothing is checked: what is taken
// away is as it was built, and a rule for its parameters must not keep it alive.
std::vector<NamedValue> carried_parameters(const std::vector<TemplateParameter>& parameters,
                                           const std::vector<NamedValue>& remembered,
                                           const std::vector<NamedValue>& last_start);

// What is to be remembered of a build for the next one: all but the ephemeral ones.
std::vector<NamedValue> remembered_parameters(const std::vector<TemplateParameter>& parameters,
                                              const std::vector<NamedValue>& values);

}  // namespace slipway::fleet

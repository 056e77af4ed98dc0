#pragma once
// What templates, their jobs and their builds are made of: the types that the records, the API, the daemon's calls and
// the provisioners' protocol share.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace slipway::fleet {

// What a build brings the workspace to.
enum class Transition { start, stop, destroy };
BOOST_DESCRIBE_ENUM(Transition, start, stop, destroy)

// A value for a variable or a parameter, as text: provisioners convert it to the declared type (a list is JSON). A
// sensitive one is redacted wherever it is shown and sealed where it is stored.
struct NamedValue {
  std::string name;
  std::string value;
  bool sensitive = false;
};
SLIPWAY_JSON_CAMEL(NamedValue, name, value, sensitive)

// What whoever pushes a template sets, once for a version (RUN-22).
struct TemplateVariable {
  std::string name;
  std::string type = "string";  // as the template writes it: string, number, bool, list(string) …
  std::string description;
  std::optional<std::string> default_value;  // JSON; absent: required, or null by default
  bool required = false;
  bool sensitive = false;
};
SLIPWAY_JSON_CAMEL(TemplateVariable, name, type, description, default_value, required, sensitive)

enum class ParameterType { string, number, boolean, list };
BOOST_DESCRIBE_ENUM(ParameterType, string, number, boolean, list)

struct ParameterOption {
  std::string name;   // for people
  std::string value;  // what is given
  std::string description;
};
SLIPWAY_JSON_CAMEL(ParameterOption, name, value, description)

// What the user of a workspace chooses: a field of the form (RUN-24).
struct TemplateParameter {
  std::string name;
  std::string display_name;
  std::string description;
  ParameterType type = ParameterType::string;
  std::optional<std::string> default_value;
  bool required = false;   // has no default
  bool is_mutable = true;  // may be changed once the workspace is there
  bool ephemeral = false;  // for one build, never remembered
  bool sensitive = false;
  std::vector<ParameterOption> options;  // if any: one of them (for a list: some of them)
  std::optional<double> minimum, maximum;
  std::optional<std::string> pattern;        // RE2's syntax, of the whole value
  std::optional<std::string> pattern_error;  // what to say to a value that does not fit
};
SLIPWAY_JSON_CAMEL(TemplateParameter, name, display_name, description, type, default_value, required, is_mutable,
                   ephemeral, sensitive, options, minimum, maximum, pattern, pattern_error)

enum class ResourceAction { none, create, update, replace, destroy, read };
BOOST_DESCRIBE_ENUM(ResourceAction, none, create, update, replace, destroy, read)

// A thing that a template makes, as planned or as it is.
struct Resource {
  std::string address;  // unique in its state: module.a.terraform_data.machine[0]
  std::string type;
  std::string name;
  ResourceAction action = ResourceAction::none;
  std::int64_t daily_cost = 0;                 // credits (RUN-11)
  std::map<std::string, std::string> details;  // for people, never a secret
};
SLIPWAY_JSON_CAMEL(Resource, address, type, name, action, daily_cost, details)

// How long a phase of a job took, as its log calls it.
struct PhaseTiming {
  std::string stage;
  base::Instant started_at;
  base::Instant ended_at;
};
SLIPWAY_JSON_CAMEL(PhaseTiming, stage, started_at, ended_at)

}  // namespace slipway::fleet

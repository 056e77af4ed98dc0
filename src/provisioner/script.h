#pragma once
// The script of a scripted provisioner (scripted.h): script.json or script.toml in the template's folder, keys in snake
// case. Texts may hold ${parameter.NAME}, ${variable.NAME}, ${transition}, ${workspace.name}, ${workspace.id},
// ${owner.name}, ${owner.id}, ${template.name}, ${build.id}, ${build.number} and, in resources, ${index}; $${ is a
// plain
// ${. Numbers may be such texts, too.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "provisioner/protocol.h"

namespace slipway::provisioner {

struct ScriptVariable {
  std::string name;
  std::optional<std::string> type;
  std::optional<std::string> description;
  std::optional<std::string> default_value;  // absent: whoever pushes the template must set it
  std::optional<bool> sensitive;
};
SLIPWAY_JSON_SNAKE(ScriptVariable, name, type, description, default_value, sensitive)

struct ScriptFailure {
  std::optional<std::string> code;
  std::optional<base::ErrorClass> error_class;
  std::optional<std::string> message;
};
SLIPWAY_JSON_SNAKE(ScriptFailure, code, error_class, message)

// What is done before a request is answered, in this order within a step.
struct ScriptStep {
  std::optional<std::string> when;    // the step is passed over if this is '', '0' or 'false'
  std::optional<bool> ignore_cancel;  // from here on
  std::optional<std::string> log;
  std::optional<fleet::LogLevel> level;
  std::optional<json::Value> storm;  // so many log lines
  std::optional<std::string> delay;  // 250ms, 3s
  std::optional<std::string> until;  // this file is there
  std::optional<json::Value> make;   // carries out so many of the planned changes now; the rest follows after the steps
  std::optional<std::string> note;   // into the state
  std::optional<bool> hang;          // until it is cancelled
  std::optional<bool> die;           // as if killed
  std::optional<ScriptFailure> error;
};
SLIPWAY_JSON_SNAKE(ScriptStep, when, ignore_cancel, log, level, storm, delay, until, make, note, hang, die, error)

struct ScriptSteps {
  std::optional<std::vector<ScriptStep>> start, stop, destroy;
};
SLIPWAY_JSON_SNAKE(ScriptSteps, start, stop, destroy)

struct ScriptResource {
  std::string type;
  std::string name;
  std::optional<json::Value> count;                  // absent: one, without an index in its address
  std::optional<std::vector<fleet::Transition>> on;  // is there after these: absent: start and stop (persistent)
  std::optional<std::int64_t> daily_cost;
  std::optional<std::map<std::string, std::string>> attributes;  // other values: it is updated
};
SLIPWAY_JSON_SNAKE(ScriptResource, type, name, count, on, daily_cost, attributes)

struct Script {
  std::optional<std::vector<ScriptVariable>> variables;
  std::optional<std::string> world;  // an absolute folder in which resources are really made, as files
  std::optional<std::vector<ScriptResource>> resources;
  std::optional<std::map<std::string, std::string>> outputs;
  std::optional<std::vector<ScriptStep>> parse;
  std::optional<ScriptSteps> plan, apply;
};
SLIPWAY_JSON_SNAKE(Script, variables, world, resources, outputs, parse, plan, apply)

// Of a template's folder. Throws SCRIPT_INVALID (user), with the key or the line.
Script read_script(const std::filesystem::path& directory);

// What texts of a script may hold.
class ScriptValues {
 public:
  // Throws REQUIRED_TEMPLATE_VARIABLES for variables that have neither a value nor a default.
  ScriptValues(const Script& script, const Plan& plan);
  void set(const std::string& name, std::string value) { values_[name] = std::move(value); }
  // Throws MISSING_TEMPLATE_PARAMETER for a parameter without a value, SCRIPT_INVALID for what does not exist.
  std::string expand(const std::string& text) const;
  std::map<std::string, std::string> expand(const std::map<std::string, std::string>& texts) const;
  std::int64_t number(const json::Value& value, std::int64_t highest) const;

 private:
  const std::string& find(const std::string& name) const;
  std::map<std::string, std::string> values_;
};

base::Error script_invalid(std::string reason);

}  // namespace slipway::provisioner

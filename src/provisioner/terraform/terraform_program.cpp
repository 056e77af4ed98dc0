#include "provisioner/terraform/terraform_program.h"

#include <charconv>
#include <optional>

#include "base/error.h"
#include "base/program_path.h"
#include "provisioner/terraform/terraform_command.h"

namespace slipway::provisioner::terraform {
namespace {

constexpr std::string_view kAdvice =
    "install Terraform 1.1 or newer (developer.hashicorp.com/terraform/install) or OpenTofu (opentofu.org), or name "
    "its "
    "program by SLIPWAY_TERRAFORM";

base::Error unavailable(std::string reason) {
  return base::Error(base::ErrorClass::internal, "PROVISIONER_UNAVAILABLE",
                     std::move(reason) + ": " + std::string(kAdvice));
}

std::optional<std::string> find_program(const std::string& name, const Environment& host) {
  if (name.find('/') != name.npos) {
    if (!base::is_program(name)) return std::nullopt;
    return std::filesystem::absolute(name);
  }
  const auto set = host.find("PATH");
  return base::find_program(name, set == host.end() ? base::kDefaultPath : std::string_view(set->second));
}

std::string find_path(const std::string& wanted, const Environment& host) {
  const auto set = host.find("SLIPWAY_TERRAFORM");
  const auto& named = wanted.empty() && set != host.end() ? set->second : wanted;
  if (!named.empty()) {
    if (auto path = find_program(named, host)) return *path;
    throw unavailable("there is no program '" + named + "'");
  }
  for (const char* name : {"terraform", "tofu"})
    if (auto path = find_program(name, host)) return *path;
  throw unavailable("there is no Terraform on this machine");
}

// By its own words, "OpenTofu v1.8.0": in its JSON it calls itself Terraform, and its file may have any name.
void ask_version(TerraformProgram& program, const Environment& host) {
  const auto take = [&](Stream stream, std::string_view line) {
    if (stream != Stream::output || !program.version.empty()) return;
    for (const char* name : {"Terraform", "OpenTofu"}) {
      if (!line.starts_with(std::string(name) + " v")) continue;
      program.name = name;
      program.version = line.substr(program.name.size() + 2);
    }
  };
  const auto outcome = run_command({.program = program.path,
                                    .arguments = {"version"},
                                    .environment = terraform_environment(host, {}),
                                    .directory = "/"},
                                   {.on_line = take});
  if (!outcome.ok() || program.version.empty()) throw unavailable("'" + program.path + "' does not tell its version");
}

}  // namespace

bool is_at_least(std::string_view version, int major, int minor) {
  int numbers[2] = {0, 0};
  for (int& number : numbers) {
    const auto [end, failure] = std::from_chars(version.data(), version.data() + version.size(), number);
    if (failure != std::errc()) return false;
    version.remove_prefix(std::size_t(end - version.data()));
    if (version.starts_with('.')) version.remove_prefix(1);
  }
  return numbers[0] != major ? numbers[0] > major : numbers[1] >= minor;
}

TerraformProgram find_terraform(const std::string& wanted, const Environment& host) {
  TerraformProgram program{.path = find_path(wanted, host)};
  ask_version(program, host);
  if (!is_at_least(program.version, 1, 1))
    throw unavailable("'" + program.path + "' is version " + program.version + ", which is too old");
  const bool is_tofu = program.name == "OpenTofu";
  program.init_has_json = !is_tofu && is_at_least(program.version, 1, 9);
  if (is_tofu && is_at_least(program.version, 1, 8)) program.dialect = Dialect::tofu;
  return program;
}

}  // namespace slipway::provisioner::terraform

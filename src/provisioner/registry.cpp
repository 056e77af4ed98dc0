#include "provisioner/registry.h"

#include <cstdlib>
#include <filesystem>
#include <optional>

#include "provisioner/scripted.h"
#include "provisioner/stdio_provisioner.h"
#include "provisioner/terraform/terraform_provisioner.h"

namespace slipway::provisioner {
namespace {

// Of the environment, which a child does not get; a path as seen from anywhere, for a child begins in another folder.
std::optional<std::string> named_terraform() {
  const char* named = std::getenv("SLIPWAY_TERRAFORM");
  if (named == nullptr || *named == '\0') return std::nullopt;
  const std::string program(named);
  return program.contains('/') ? std::filesystem::absolute(program).string() : program;
}

}  // namespace

std::vector<std::string> built_in_types() { return {std::string(kScriptedType), "terraform"}; }

std::unique_ptr<Provisioner> make_built_in(std::string_view type, const std::string& tool) {
  if (type == kScriptedType) return std::make_unique<ScriptedProvisioner>();
  if (type == "terraform")
    return std::make_unique<terraform::TerraformProvisioner>(terraform::TerraformOptions{.program = tool});
  std::string known;
  for (const auto& name : built_in_types()) known += (known.empty() ? "" : ", ") + name;
  throw base::Error(base::ErrorClass::user, "PROVISIONER_UNKNOWN",
                    "'" + std::string(type) + "' is none of the provisioners that are built in: " + known);
}

std::unique_ptr<Provisioner> make_built_in_process(std::string_view type, const std::string& program) {
  const std::shared_ptr<Provisioner> same = make_built_in(type);
  std::vector<std::string> command{program, "provisioner", std::string(type)};
  if (type == "terraform")
    if (const auto named = named_terraform()) command.insert(command.end(), {"--tool", *named});
  return std::make_unique<StdioProvisioner>(StdioOptions{.type = std::string(type),
                                                         .command = std::move(command),
                                                         .check = [same] { same->check(); },
                                                         .cancel_bound = kEndBound});
}

}  // namespace slipway::provisioner

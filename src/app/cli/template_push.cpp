// template push: packs a folder, uploads it, and follows its import.

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <ostream>

#include "app/cli/assignments.h"
#include "app/cli/commands.h"
#include "app/cli/job_progress.h"
#include "app/cli/template_views.h"
#include "base/digest.h"
#include "net/http.h"
#include "provisioner/archive.h"
#include "provisioner/manifest.h"

namespace slipway::app::cli {
namespace {

namespace fs = std::filesystem;

constexpr base::Duration kLookEvery{200};
constexpr std::string_view kImporting = "importing";

struct PushOptions {
  std::string directory = ".";
  std::string name, message, version_name, variables_file;
  std::vector<std::string> variables;
  bool no_promote = false;
  bool detach = false;
};

// A file that is there as long as this is.
class TemporaryFile {
 public:
  TemporaryFile() : path_((fs::temp_directory_path() / "slipway-push-XXXXXX").string()) {
    const int fd = ::mkstemp(path_.data());
    if (fd < 0) throw base::system_error("cannot make a file in " + fs::temp_directory_path().string(), errno);
    ::close(fd);
  }
  ~TemporaryFile() { ::unlink(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string packed(const fs::path& directory) {
  auto ignored = provisioner::IgnoreRules::usual();
  ignored.add("*.tfstate");  // states hold secrets, and are the hub's business
  ignored.add_file_of(directory);
  const TemporaryFile file;
  if (provisioner::pack(directory, file.path(), ignored).empty())
    throw base::validation_error("DIR", "'" + directory.string() + "' holds no files");
  std::ifstream in(file.path(), std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::map<std::string, std::string> values_of(const PushOptions& options) {
  std::map<std::string, std::string> values;
  if (!options.variables_file.empty()) values = read_values_file(options.variables_file);
  for (auto& [name, value] : read_assignments("--variable", options.variables)) values.insert_or_assign(name, value);
  return values;
}

json::Object push_body(const PushOptions& options, const provisioner::Manifest& manifest, const std::string& hash) {
  json::Object body{{"archive", hash},
                    {"provisioner", manifest.provisioner},
                    {"tags", json::to_value(manifest.tags)},
                    {"variables", json::to_value(values_of(options))},
                    {"promote", !options.no_promote}};
  const auto add = [&](std::string_view name, const std::string& value) {
    if (!value.empty()) body[name] = value;
  };
  add("name", options.version_name);
  add("message", options.message);
  add("displayName", manifest.display_name);
  add("description", manifest.description);
  add("icon", manifest.icon);
  return body;
}

std::string template_name(const PushOptions& options, const fs::path& directory) {
  return options.name.empty() ? directory.filename().string() : options.name;
}

TemplateVersionView version_at(HubClient& hub, const std::string& target) {
  return read_view<TemplateVersionView>(hub.get(target, Patience::retry));
}

// The version when its import has ended; meanwhile its log goes to stderr.
TemplateVersionView follow_import(Invocation& invocation, const std::string& target) {
  HubClient& hub = invocation.hub();
  const InterruptNotice notice("the import goes on; `slipway template show` tells how it ends");
  auto version = version_at(hub, target);
  while (version.status == kImporting && !version.job_id) {
    invocation.world.sleep(kLookEvery);
    version = version_at(hub, target);
  }
  if (version.job_id) follow_job_log(invocation, *version.job_id);
  while (version.status == kImporting) {
    version = version_at(hub, target);
    if (version.status == kImporting) invocation.world.sleep(kLookEvery);
  }
  return version;
}

int report(Invocation& invocation, const TemplateVersionView& version, const std::string& target) {
  if (invocation.wants_json()) {
    invocation.print_json(invocation.hub().get(target));
  } else if (version.status == "ready") {
    invocation.world.out << "Version " << printable(version.name) << " of template " << printable(version.template_name)
                         << (version.is_active ? " is ready and active.\n" : " is ready.\n");
  } else {
    invocation.say("version " + printable(version.name) + " is " + printable(version.status) +
                   (version.error ? ": " + printable(version.error->code + ": " + version.error->message) : ""));
  }
  return version.status == "ready" ? kOk : kFailed;
}

int push(Invocation& invocation, const PushOptions& options) {
  std::error_code failure;
  const auto directory = fs::canonical(invocation.world.working_directory / options.directory, failure);
  if (failure) throw base::system_error("cannot read '" + options.directory + "'", failure.value());
  const auto manifest = provisioner::read_manifest(directory);
  const auto name = template_name(options, directory);
  auto archive = packed(directory);
  const auto hash = base::sha256_hex(archive);
  HubClient& hub = invocation.hub();
  const auto body = push_body(options, manifest, hash);
  hub.upload("/v1/blobs/" + hash, std::move(archive));
  const std::string versions = "/v1/templates/" + net::percent_encode(name) + "/versions";
  const auto answer = hub.post(versions, body);
  const auto version = read_view<TemplateVersionView>(answer.at("version"));
  invocation.say("version " + printable(version.name) + " of template " + printable(name) + " is imported by run " +
                 printable(version.run_id.value_or("")));
  const auto target = versions + "/" + net::percent_encode(version.id);
  if (options.detach) {
    if (invocation.wants_json()) invocation.print_json(answer);
    return kOk;
  }
  return report(invocation, follow_import(invocation, target), target);
}

}  // namespace

void add_template_push(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<PushOptions>();
  CLI::App& command =
      add_command(group, invocation, "push", "Push a folder as a new version of a template, and follow its import",
                  "  slipway template push\n  slipway template push ./docker --name docker --message 'debian 13' "
                  "--variable registry=registry.example.com\n  slipway template push --no-promote --version-name 2.0.0",
                  [&invocation, options] { return push(invocation, *options); });
  command.add_option("dir", options->directory, "the folder; this one, if not given")->type_name("DIR");
  command.add_option("--name", options->name, "of the template; the folder's name, if not given");
  command.add_option("--message", options->message, "what is new");
  command.add_option("--version-name", options->version_name, "v1, v2 …, if not given");
  command.add_option("--variable", options->variables, "NAME=VALUE for a variable of the template; may be repeated")
      ->type_name("NAME=VALUE");
  command.add_option("--variables-file", options->variables_file, "names and values: .tfvars, .json or TOML")
      ->type_name("FILE");
  command.add_flag("--no-promote", options->no_promote, "do not make it the active version");
  command.add_flag("--detach", options->detach, "do not wait for its import");
}

}  // namespace slipway::app::cli

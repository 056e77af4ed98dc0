// template init: a folder to begin with, from the examples that are in the program.

#include <CLI/CLI.hpp>
#include <fstream>
#include <ostream>
#include <set>
#include <span>

#include "app/cli/commands.h"
#include "net/static_files.h"

namespace slipway::app::template_examples {
std::span<const net::StaticFile> files();  // made by cmake/embed.cmake from examples/templates
}

namespace slipway::app::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUsualExample = "local-folder";

// The folders below examples/templates.
std::set<std::string> example_names() {
  std::set<std::string> names;
  for (const auto& file : template_examples::files()) names.emplace(file.name.substr(0, file.name.find('/')));
  return names;
}

std::string usual_example() {
  const auto names = example_names();
  return names.contains(std::string(kUsualExample)) ? std::string(kUsualExample) : *names.begin();
}

void write_file(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), std::streamsize(bytes.size()));
  if (!file.flush()) throw base::system_error("cannot write '" + path.string() + "'", errno);
  if (bytes.starts_with("#!")) fs::permissions(path, fs::perms::owner_exec, fs::perm_options::add);
}

struct InitOptions {
  std::string directory, example = usual_example();
};

int init(Invocation& invocation, const InitOptions& options) {
  const auto names = example_names();
  if (!names.contains(options.example)) {
    json::Array allowed(names.begin(), names.end());
    throw base::validation_error("--example", "there is no example '" + options.example + "'", std::move(allowed));
  }
  const fs::path directory = invocation.world.working_directory / options.directory;
  std::error_code failure;
  if (fs::exists(directory, failure) && !fs::is_empty(directory, failure))
    throw base::Error(base::ErrorClass::conflict, "CONFLICT", "'" + directory.string() + "' is not empty");
  const std::string prefix = options.example + "/";
  json::Array written;
  for (const auto& file : template_examples::files()) {
    if (!file.name.starts_with(prefix)) continue;
    const auto name = file.name.substr(prefix.size());
    write_file(directory / name, file.bytes);
    written.emplace_back(name);
  }
  if (invocation.wants_json())
    invocation.print_json(written);
  else
    invocation.world.out << "Made " << printable(options.directory) << ". Next: slipway template push "
                         << printable(options.directory) << '\n';
  return kOk;
}

}  // namespace

void add_template_init(CLI::App& group, Invocation& invocation) {
  auto options = std::make_shared<InitOptions>();
  CLI::App& command = add_command(group, invocation, "init", "Make a folder with a template to begin with",
                                  "  slipway template init docker\n  slipway template init demo --example scripted",
                                  [&invocation, options] { return init(invocation, *options); });
  command.add_option("dir", options->directory, "the folder; it is empty, or not there yet")
      ->required()
      ->type_name("DIR");
  command.add_option("--example", options->example, "which one")->capture_default_str();
}

}  // namespace slipway::app::cli

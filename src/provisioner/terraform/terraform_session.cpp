#include "provisioner/terraform/terraform_session.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fstream>
#include <mutex>

#include "base/unique_fd.h"
#include "provisioner/manifest.h"
#include "provisioner/terraform/session_files.h"
#include "provisioner/terraform/terraform_facts.h"

namespace slipway::provisioner::terraform {
namespace {

using fleet::LogLevel;

// Others' downloads can take minutes; after this, whoever waits for them is told why.
constexpr std::chrono::seconds kSilentWait{10};
constexpr std::chrono::milliseconds kLockInterval{100};
constexpr std::size_t kLastWordsMaxBytes = 2'000;
// Of its author's own runs, where an archive brings them: they name another workspace and backend, with plugins of
// their own, and Terraform would ask whether to take over their states.
constexpr std::array<const char*, 3> kForeignThings{".terraform", "terraform.tfstate", "terraform.tfstate.d"};

// Terraform's cache of plugins is not made for several at once: one init after the other, machine-wide. Empty where
// there is no cache, or the session is to end.
base::UniqueFd lock_plugin_cache(const Environment& environment, Work& work) {
  const auto cache = environment.find("TF_PLUGIN_CACHE_DIR");
  if (cache == environment.end()) return {};
  std::filesystem::create_directories(cache->second);
  base::UniqueFd lock(::open((cache->second + "/.slipway.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  if (!lock) throw base::system_error("open the lock of the plugin cache", errno);
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock guard(mutex);
  const auto stop = work.cancelled();
  const auto tell_at = std::chrono::steady_clock::now() + kSilentWait;
  bool told = false;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) throw base::system_error("lock the plugin cache", errno);
    never.wait_for(guard, stop, kLockInterval, [] { return false; });
    if (stop.stop_requested()) return {};
    if (!told && std::chrono::steady_clock::now() > tell_at) {
      work.log(LogLevel::info, "Waiting for other builds that are installing providers into the same cache");
      told = true;
    }
  }
  return lock;
}

std::set<std::string> names_of(const std::vector<fleet::TemplateParameter>& parameters) {
  std::set<std::string> names;
  for (const auto& parameter : parameters) names.insert(parameter.name);
  return names;
}

}  // namespace

TerraformSession::TerraformSession(TerraformProgram program, TerraformOptions options)
    : program_(std::move(program)), options_(std::move(options)) {}

void TerraformSession::configure(const Config& config) {
  config_ = config;
  directory_ = config.directory;
  own_ = directory_ / kOwnFolder;
  environment_ = terraform_environment(options_.host, config);
  if (config.state_backend) backend_.emplace(client_, *config.state_backend);
}

ParseComplete TerraformSession::parse(Work& work) {
  const auto manifest = read_manifest(directory_);
  const auto parameters = names_of(manifest.parameters);
  files_ = read_template_files(directory_, program_.dialect);
  ParseComplete complete;
  for (const auto& variable : files_.variables) {
    const auto& name = variable.facts.name;
    if (!name.starts_with(kReservedPrefix) && !parameters.contains(name))
      complete.parsed.variables.push_back(variable.facts);
  }
  for (const auto& name : parameters)
    if (!files_.variable(name))
      work.log(LogLevel::warn, "The parameter '" + name + "' reaches nothing: no file declares a variable of its name");
  add_declared(complete.parsed, declared_by(manifest, directory_));
  return complete;
}

// ---- commands

Command TerraformSession::command(Arguments arguments) const {
  return {.program = program_.path,
          .arguments = std::move(arguments),
          .environment = environment_,
          .directory = directory_};
}

TerraformSession::Ran TerraformSession::run(Arguments arguments, Work& work, std::stop_token cancelled) {
  Ran ran;
  const auto take = [&](Stream stream, std::string_view line) {
    if (stream == Stream::error) {
      if (ran.last_words.size() < kLastWordsMaxBytes) ran.last_words += std::string(line) + ' ';
      for (auto& readable : read_event(line).lines) work.log(LogLevel::warn, std::move(readable.text));
      return;
    }
    auto event = read_event(line);
    for (auto& readable : event.lines) work.log(readable.level, std::move(readable.text));
    if (event.diagnostic) ran.diagnostics.push_back(std::move(*event.diagnostic));
  };
  ran.outcome = run_command(command(std::move(arguments)), {.on_line = take,
                                                            .cancelled = std::move(cancelled),
                                                            .killed = work.killed(),
                                                            .interrupt_bound = options_.interrupt_bound});
  if (ran.outcome.timed_out)
    work.log(LogLevel::error, program_.name + " did not end after it was interrupted, and was killed");
  return ran;
}

std::string TerraformSession::ask(Arguments arguments, Work& work) {
  std::string output, complaints;
  const auto what = arguments.front();
  const auto outcome =
      run_command(command(std::move(arguments)),
                  {.on_line = [&](Stream stream,
                                  std::string_view line) { (stream == Stream::output ? output : complaints) += line; },
                   .killed = work.killed()});
  if (work.killed().stop_requested()) throw cancelled_error();
  if (!outcome.ok() && output.empty())
    throw base::Error(base::ErrorClass::internal, "TERRAFORM_FAILED",
                      program_.name + " " + what + " failed: " + complaints.substr(0, kLastWordsMaxBytes));
  return output;
}

base::Error TerraformSession::failure(const Ran& ran, std::string_view action, FailureClasses classes) const {
  const auto said = summary_of(ran.diagnostics);
  const auto what = program_.name + " " + std::string(action);
  if (ran.outcome.timed_out)
    return base::Error(base::ErrorClass::user, "CANCELLED", what + " was cancelled, did not end, and was killed");
  if (ran.outcome.interrupted) return cancelled_error();
  if (ran.outcome.signal != 0)
    return base::Error(classes.killed, "TERRAFORM_KILLED",
                       what + " was ended by signal " + std::to_string(ran.outcome.signal) +
                           " (9 often means that the machine is out of memory)");
  return base::Error(classes.failed, "TERRAFORM_FAILED", what + " failed: " + (said.empty() ? ran.last_words : said));
}

// ---- what comes before a plan

void TerraformSession::fetch_state(Work& work) {
  if (state_is_fetched_) return;
  const auto file = own_ / kStateName;
  if (!config_.state_file.empty()) {
    if (!std::filesystem::exists(config_.state_file))
      throw base::internal_error("the state of the build before is not at " + config_.state_file);
    write_private_file(file, read_whole_file(config_.state_file));
  } else if (backend_) {
    const auto state = patiently(work.cancelled(), [&] { return backend_->get(work.cancelled()); });
    if (state) write_private_file(file, *state);
  }
  state_is_fetched_ = true;
}

void TerraformSession::replace_backend(Work& work) {
  if (!files_.backend.empty())
    work.log(LogLevel::warn, "The template's own backend '" + files_.backend +
                                 "' is not used: states of workspaces are kept by the hub");
  // One of this name would be read instead of ours.
  std::filesystem::remove(directory_ / kTofuOverrideName);
  write_private_file(directory_ / kOverrideName, "terraform {\n  backend \"local\" {\n    path = \"" +
                                                     std::string(kOwnFolder) + "/" + kStateName + "\"\n  }\n}\n");
}

void TerraformSession::prepare(const Plan& plan, Work& work) {
  files_ = read_template_files(directory_, program_.dialect);
  if (!state_is_fetched_) make_private_folder(own_);
  fetch_state(work);
  add_metadata(environment_, plan.metadata);
  check_required(files_, plan, environment_, names_of(read_manifest(directory_).parameters));
  write_private_file(own_ / kValuesName, variables_file(files_, plan));
}

void TerraformSession::initialize(Work& work) {
  if (initialized_) return;
  for (const char* name : kForeignThings) std::filesystem::remove_all(directory_ / name);
  replace_backend(work);
  work.log(LogLevel::info, "Initializing with " + program_.name + " " + program_.version);
  for (const auto& name : host_settings(options_.host))
    work.log(LogLevel::debug, "Taken from the daemon's environment: " + name);
  const auto lock = lock_plugin_cache(environment_, work);
  Arguments arguments{"init", "-input=false", "-no-color"};
  if (program_.init_has_json) arguments.push_back("-json");
  const auto ran = run(std::move(arguments), work, work.cancelled());
  if (!ran.outcome.ok()) {
    // What it complains about at a place of the template is for its author to mend.
    const bool is_authors = std::ranges::any_of(
        ran.diagnostics, [](const Diagnostic& diagnostic) { return diagnostic.is_error && !diagnostic.file.empty(); });
    if (is_authors && !ran.outcome.interrupted)
      throw base::Error(base::ErrorClass::user, "TEMPLATE_INVALID", summary_of(ran.diagnostics));
    // All else is about what it downloads from others, who may be back soon.
    throw failure(ran, "init", {.failed = base::ErrorClass::transient});
  }
  initialized_ = true;
}

// ---- plan

PlanComplete TerraformSession::plan(const Plan& plan, Work& work) {
  nothing_to_do_ = false;
  prepare(plan, work);
  const bool destroys = plan.metadata.transition == fleet::Transition::destroy;
  if (destroys && is_empty_state(read_whole_file(own_ / kStateName))) {
    work.log(LogLevel::info, "The state is empty, there is nothing to destroy");
    nothing_to_do_ = true;
    return {};
  }
  initialize(work);
  const std::string own(kOwnFolder);
  Arguments arguments{"plan",
                      "-json",
                      "-input=false",
                      "-no-color",
                      "-out=" + own + "/" + kPlanName,
                      "-var-file=" + own + "/" + kValuesName};
  if (destroys) arguments.push_back("-destroy");
  const auto ran = run(std::move(arguments), work, work.cancelled());
  if (!ran.outcome.ok()) throw plan_failure(ran, work);
  PlanComplete complete;
  complete.resources = resources_of_plan(ask({"show", "-json", "-no-color", own + "/" + kPlanName}, work));
  planned_ = complete.resources;
  return complete;
}

// Terraform refuses a value where it was given or where its variable is declared.
bool TerraformSession::is_about_values(const Ran& ran) const {
  return std::ranges::any_of(ran.diagnostics, [&](const Diagnostic& diagnostic) {
    if (!diagnostic.is_error || diagnostic.file.empty()) return false;
    if (diagnostic.file.ends_with(kValuesName)) return true;
    return std::ranges::any_of(files_.variables, [&](const DeclaredVariable& variable) {
      return variable.place.file == diagnostic.file && variable.place.line <= diagnostic.line &&
             diagnostic.line <= variable.last_line;
    });
  });
}

base::Error TerraformSession::plan_failure(const Ran& ran, Work& work) {
  if (ran.outcome.interrupted || ran.outcome.signal != 0 || work.killed().stop_requested())
    return failure(ran, "plan", {});
  const auto mistakes = read_validation(ask({"validate", "-json", "-no-color"}, work));
  if (auto summary = summary_of(mistakes); !summary.empty())
    return base::Error(base::ErrorClass::user, "TEMPLATE_INVALID", std::move(summary));
  if (is_about_values(ran)) return base::Error(base::ErrorClass::user, "VARIABLE_INVALID", summary_of(ran.diagnostics));
  return failure(ran, "plan", {});
}

}  // namespace slipway::provisioner::terraform

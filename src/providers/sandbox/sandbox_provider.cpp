#include "providers/sandbox/sandbox_provider.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/digest.h"
#include "base/error.h"
#include "providers/sandbox/machine_death.h"
#include "providers/spec_validation.h"

namespace slipway::providers::sandbox {
namespace {

namespace fs = std::filesystem;
constexpr auto kProbeTimeout = std::chrono::seconds(10);

base::Error unavailable(const std::string& reason) {
  return base::Error(base::ErrorClass::internal, "SANDBOX_UNAVAILABLE", "this host cannot run sandboxes: " + reason);
}

// Empty when a sandbox can be made here.
std::string why_unusable(const std::string& bwrap) {
  if (bwrap.empty()) return "bubblewrap is not installed (apt-get install bubblewrap)";
  Command probe;
  probe.argv = {bwrap, "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "/bin/true"};
  const auto outcome = run(probe, kProbeTimeout);
  if (outcome.exit_code == 0) return {};
  return "bwrap cannot make namespaces here: " + outcome.output +
         " (user namespaces must be allowed: sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces)";
}

void validate_hub_url(const std::string& url) {
  constexpr std::string_view kUnix = "unix:";
  const bool socket = url.starts_with(kUnix) && fs::path(url.substr(kUnix.size())).is_absolute();
  if (socket || url.starts_with("ws://") || url.starts_with("wss://")) return;
  throw base::validation_error("hub_url", "must be unix:/ABSOLUTE/PATH, ws://HOST:PORT or wss://HOST:PORT");
}

// Keeps when it was made; everything else follows the spec.
void record_machine(const MachineFolder& folder, const MachineSpec& spec, base::Instant now) {
  const auto before = folder.machine();
  const MachineRecord record{spec.name, spec.machine_type, spec.image_tag,
                             spec.zone, spec.labels,       before ? before->created_at : now};
  if (!before || json::print(*before) != json::print(record)) folder.write_machine(record);
}

}  // namespace

SandboxProvider::SandboxProvider(SandboxOptions options, const base::Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      cgroups_(options_.limits ? CgroupHost::detect() : CgroupHost::without("switched off in the configuration")),
      bwrap_(find_program("bwrap")),
      unusable_(why_unusable(bwrap_)),
      why_not_isolated_(why_not_isolated()) {
  std::error_code error;
  options_.root_dir = fs::weakly_canonical(fs::absolute(options_.root_dir));
  fs::create_directories(options_.root_dir, error);
  // The homes may hold set-user-id files of root's making: nobody else may even come near.
  if (::chmod(options_.root_dir.c_str(), 0700) != 0) {
    throw base::system_error("make the sandboxes' folder " + options_.root_dir.string(), errno);
  }
  options_.agent_binary = fs::absolute(options_.agent_binary);
}

void SandboxProvider::validate(const MachineSpec& spec) const {
  validate_name(spec.name);
  validate_machine_type(spec.machine_type, options_.machine_types);
  validate_environment(spec.environment);
  validate_hub_url(spec.hub_url);
  if (!unusable_.empty()) throw unavailable(unusable_);
  if (::access(options_.agent_binary.c_str(), X_OK) != 0) {
    throw unavailable("there is no agent program at " + options_.agent_binary.string());
  }
  plan();
}

void SandboxProvider::create(const MachineSpec& spec, std::stop_token stop) {
  validate(spec);
  const MachineFolder folder(options_.root_dir, spec.name);
  MachineFolder::sweep(options_.root_dir, spec.name);
  const auto turn = lock(folder, OperationLock::Folder::make, stop);
  record_machine(folder, spec, clock_.now());
  ensure_running(folder, spec, stop);
}

void SandboxProvider::start(const MachineSpec& spec, std::stop_token stop) {
  validate(spec);
  const MachineFolder folder(options_.root_dir, spec.name);
  const auto turn = lock(folder, OperationLock::Folder::must_exist, stop);
  if (!turn || !folder.machine()) throw base::not_found("machine", spec.name);
  record_machine(folder, spec, clock_.now());
  ensure_running(folder, spec, stop);
}

void SandboxProvider::stop(const std::string& name, std::stop_token stop) {
  validate_name(name);
  const MachineFolder folder(options_.root_dir, name);
  const auto turn = lock(folder, OperationLock::Folder::must_exist, stop);
  if (!turn) return;
  end_gracefully(folder, options_.stop_grace, stop);
  throw_if_stopped(stop);
  kill_and_clean(folder);
}

void SandboxProvider::suspend(const std::string& name, std::stop_token stop) {
  validate_name(name);
  const MachineFolder folder(options_.root_dir, name);
  const auto turn = lock(folder, OperationLock::Folder::must_exist, stop);
  if (!turn) throw base::not_found("machine", name);
  const auto launch = folder.launch();
  if (!launch || launch->stage != LaunchStage::complete || !is_alive(folder, *launch)) {
    throw base::invalid_state("machine '" + name + "' does not run, so it cannot be suspended");
  }
  const MachineCgroups cgroups(launch->cgroups);
  if (!cgroups.can_freeze()) {
    const auto reason = cgroups_.unavailable().find("suspend");
    throw base::Error(
        base::ErrorClass::user, "SUSPEND_UNSUPPORTED",
        "a sandbox cannot be suspended here: " +
            (reason == cgroups_.unavailable().end() ? "it was started without a control group" : reason->second));
  }
  cgroups.freeze();
}

void SandboxProvider::destroy(const std::string& name, std::stop_token stop) {
  validate_name(name);
  const MachineFolder folder(options_.root_dir, name);
  if (const auto turn = lock(folder, OperationLock::Folder::must_exist, stop)) {
    kill_and_clean(folder);
    cgroups_.plan(cgroup_id(name)).remove();  // those of a launch whose record is lost
    folder.destroy();
  }
  MachineFolder::sweep(options_.root_dir, name);
}

MachineStatus SandboxProvider::status(const std::string& name) const {
  validate_name(name);
  return status_of(MachineFolder(options_.root_dir, name));
}

std::vector<Provider::Listed> SandboxProvider::list() const {
  std::vector<Listed> machines;
  std::error_code error;
  for (fs::directory_iterator entry(options_.root_dir, error), end; !error && entry != end; entry.increment(error)) {
    const auto name = entry->path().filename().string();
    if (!is_machine_name(name) || !entry->is_directory(error)) continue;
    const MachineFolder folder(options_.root_dir, name);
    const auto record = folder.machine();
    machines.push_back({name, status_of(folder), record ? record->labels : std::map<std::string, std::string>()});
  }
  std::ranges::sort(machines, {}, &Listed::name);
  return machines;
}

std::optional<OperationLock> SandboxProvider::lock(const MachineFolder& folder, OperationLock::Folder mode,
                                                   const std::stop_token& stop) const {
  return OperationLock::acquire(folder.path(), mode, options_.lock_patience, stop);
}

void SandboxProvider::ensure_running(const MachineFolder& folder, const MachineSpec& spec,
                                     const std::stop_token& stop) {
  const auto launch = folder.launch();
  if (launch && launch->stage == LaunchStage::complete && is_alive(folder, *launch)) {
    folder.open_gate();
    MachineCgroups(launch->cgroups).thaw();
    return;
  }
  kill_and_clean(folder);
  try {
    launch_once(folder, spec, stop);
  } catch (const base::Error& error) {
    if (error.code() != "NETWORK_UNAVAILABLE" || options_.network != Network::automatic) throw;
    {
      const std::lock_guard guard(mutex_);
      why_not_isolated_ = error.message();
    }
    launch_once(folder, spec, stop);
  }
}

void SandboxProvider::launch_once(const MachineFolder& folder, const MachineSpec& spec,
                                  const std::stop_token& stop) const {
  const auto network = plan();
  const LaunchPlan plan{.spec = spec,
                        .type = validate_machine_type(spec.machine_type, options_.machine_types),
                        .bwrap = {bwrap_, folder.home(), options_.agent_binary, network.kind},
                        .network = network,
                        .cgroups = cgroups_.plan(cgroup_id(spec.name)),
                        .unavailable_limits = cgroups_.unavailable(),
                        .timeout = options_.start_timeout};
  launch(folder, plan, clock_, stop);
}

NetworkPlan SandboxProvider::plan() const {
  const std::lock_guard guard(mutex_);
  return plan_network(options_.network, why_not_isolated_);
}

// Unlike the name, unique on the host: hubs with different root folders may have machines of one name.
std::string SandboxProvider::cgroup_id(const std::string& name) const {
  constexpr std::size_t kDigits = 12;
  return name + "-" + base::sha256_hex(options_.root_dir.string()).substr(0, kDigits);
}

MachineStatus SandboxProvider::status_of(const MachineFolder& folder) const {
  if (!folder.exists()) return {MachineState::absent};
  folder.bound_console();
  const auto launch = folder.launch();
  const bool at_work = is_locked(folder.operation_lock());
  if (!folder.machine()) {
    return {at_work ? MachineState::starting : MachineState::absent, at_work ? "" : "making it was interrupted"};
  }
  if (!launch) return {at_work ? MachineState::starting : MachineState::stopped};
  if (launch->boot_id != boot_id()) return {MachineState::stopped, "this host was restarted"};
  MachineStatus status{.since = launch->started_at, .limits = launch->limits};
  const bool alive = is_locked(folder.life_lock());
  if (launch->stage == LaunchStage::prepared || launch->stage == LaunchStage::spawned) {
    status.state = at_work ? MachineState::starting : MachineState::stopped;
    status.detail = at_work ? "" : "starting it was interrupted";
    status.since.reset();
  } else if (!alive && launch->stage == LaunchStage::stopping) {
    status.state = MachineState::stopped;
  } else if (!alive) {
    // Whoever ends a machine says so first: looked at again, now that it is dead, the record tells whether it was
    // ended.
    const auto now = folder.launch();
    if (!now || now->stage != launch->stage || now->monitor.pid != launch->monitor.pid) return status_of(folder);
    status.state = MachineState::failed;
    status.detail = describe_death(folder, *launch);
  } else {
    status.state = MachineCgroups(launch->cgroups).is_frozen() ? MachineState::suspended : MachineState::running;
  }
  return status;
}

}  // namespace slipway::providers::sandbox

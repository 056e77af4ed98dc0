// JobRunner: from its acquisition to an open session.

#include <filesystem>

#include "base/trace_context.h"
#include "runner/job_runner.h"
#include "runner/on_worker.h"
#include "runner/work_folder.h"

namespace slipway::runner {

using base::ErrorClass;
using fleet::LogLevel;

namespace {

std::string archive_file(const std::string& directory) { return directory + "/archive"; }
std::string state_file(const std::string& directory) { return directory + "/prior-state"; }

std::string traceparent_of(const fleet::AcquiredJob& job) {
  const auto trace = base::trace_from_text(job.trace);
  return trace ? trace->caused(job.id).traceparent() : "";
}

}  // namespace

// Goes on with `then` if the work is done and the job still wanted.
template <class Work, class Then>
void JobRunner::on_worker(Work work, std::string_view doing, Then then) {
  run_on_worker(tools_.workers, tools_.loop, std::move(work),
                lifeline_.wrap([this, doing, then = std::move(then)](auto result) mutable {
                  if (stage_ != Stage::setting_up) return;
                  if (!result) return fail(result.error(), doing);
                  if constexpr (std::is_invocable_v<Then&>) {
                    then();
                  } else {
                    then(std::move(*result));
                  }
                }));
}

void JobRunner::make_directory() {
  on_worker(
      [directory = options_.directory] {
        std::filesystem::remove_all(directory);
        make_private(directory);
        make_private(directory + "/states");
      },
      "the job's folder cannot be made", [this] { fetch_archive(); });
}

void JobRunner::fetch_archive() {
  file_call_.start(
      [this](Reply<void> reply) {
        tools_.archives.get(job_.archive, archive_file(options_.directory), std::move(reply));
      },
      [this](std::expected<void, base::Error> answer) {
        if (stage_ != Stage::setting_up) return;
        if (!answer) return fail(answer.error(), "the template's archive cannot be fetched");
        unpack();
      },
      [this](const base::Error& error) { return is_final_for_file(error); });
}

void JobRunner::unpack() {
  file_call_.start(
      [this](Reply<void> reply) {
        run_on_worker(
            tools_.workers, tools_.loop,
            [directory = options_.directory, &files = tools_.files] {
              std::filesystem::remove_all(template_folder(directory));  // what an earlier attempt left
              make_private(template_folder(directory));
              files.unpack(archive_file(directory), template_folder(directory));
              auto facts = files.facts(template_folder(directory));
              std::filesystem::remove(archive_file(directory));
              return facts;
            },
            lifeline_.wrap([this, reply = std::move(reply)](std::expected<TemplateFacts, base::Error> facts) mutable {
              if (!facts) return reply(std::unexpected(std::move(facts.error())));
              facts_ = std::move(*facts);
              reply({});
            }));
      },
      [this](std::expected<void, base::Error> answer) {
        if (stage_ != Stage::setting_up) return;
        if (!answer) return fail(answer.error(), "the template cannot be unpacked");
        fetch_state();
      },
      [this](const base::Error& error) { return is_final_for_file(error); });
}

void JobRunner::fetch_state() {
  if (!job_.has_state) return open_session();
  file_call_.start(
      [this](Reply<void> reply) {
        tools_.hub.get_state(job_.id, job_.fence, state_file(options_.directory), std::move(reply));
      },
      [this](std::expected<void, base::Error> answer) {
        if (!answer && job_is_lost(answer.error())) return on_lost(answer.error());
        if (stage_ != Stage::setting_up) return;
        if (!answer) return fail(answer.error(), "the state cannot be fetched");
        open_session();
      },
      [this](const base::Error& error) { return is_final_for_file(error); });
}

void JobRunner::open_session() {
  stage_ = Stage::opening;
  inbox_ = std::make_shared<SessionInbox>(tools_.loop, tools_.clock, options_.directory + "/states");
  try {
    session_ = provisioner_->open(inbox_->events());
  } catch (const base::Error& error) {
    return fail(error, "the provisioner cannot be started");
  }
  inbox_->attach(*session_, {.on_message = [this](auto message, auto at) { on_message(std::move(message), at); },
                             .on_closed = [this](auto error) { on_closed(std::move(error)); },
                             .on_state_missed = [this](const auto& error) { on_state_missed(error); }});
  step_timer_.set(options_.hello_bound, [this] {
    fail("PROVISIONER_SILENT", ErrorClass::internal, "the provisioner did not say what it is");
    kill_session();
  });
}

void JobRunner::on_hello(const provisioner::Hello& hello) {
  step_timer_.cancel();
  if (hello.protocol != provisioner::kProtocolVersion)
    return fail("PROTOCOL_ERROR", ErrorClass::internal,
                "the provisioner speaks version " + std::to_string(hello.protocol) + " of the protocol, this daemon " +
                    std::to_string(provisioner::kProtocolVersion) + ": update the older of them");
  repeatable_ = hello.repeatable;
  locks_state_ = hello.locks_state;
  // Where the state's lock is let go, the apply has ended by itself: from there it can be done again.
  updates_.set_repeatable(hello.repeatable || hello.locks_state);
  say(LogLevel::info, "Provisioner " + hello.provisioner + (hello.version.empty() ? "" : " " + hello.version));
  provisioner::Config config{.directory = template_folder(options_.directory),
                             .cache_directory = options_.cache_directory,
                             .debug = job_.debug,
                             .trace = traceparent_of(job_)};
  if (job_.has_state) config.state_file = state_file(options_.directory);
  if (job_.type == fleet::JobType::workspace_build && !job_.state_token.empty())
    config.state_backend = provisioner::StateBackend{.address = tools_.hub.state_address(job_.id),
                                                     .username = "job",
                                                     .password = job_.state_token,
                                                     .ca_file = options_.hub_ca_file};
  session_->send(std::move(config));
  if (job_.type == fleet::JobType::template_import) return begin_parse();
  const auto transition =
      job_.type == fleet::JobType::workspace_build ? job_.metadata.transition : fleet::Transition::start;
  begin_plan(Stage::planning, transition, "Planning infrastructure");
}

}  // namespace slipway::runner

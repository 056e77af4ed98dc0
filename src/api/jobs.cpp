// Jobs for provisioner daemons: what waits, what is at work, how it ended; their logs, also live; cancelling one.

#include <charconv>

#include "api/change_stream.h"
#include "api/commit.h"
#include "api/cursor.h"
#include "api/job_bells.h"
#include "api/job_metrics.h"
#include "api/job_view.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/job_log.h"
#include "net/sse.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;
using base::JobId;
using fleet::Job;
using fleet::JobStatus;
using fleet::JobType;
using fleet::Scope;

constexpr std::int64_t kLinesPerRead = 500;  // of a stream: bounds memory
constexpr std::int64_t kLinesMax = 1'000;    // of a page
constexpr base::Duration kHeartbeat = std::chrono::seconds(10);

enum class JobOwner { me, all };
BOOST_DESCRIBE_ENUM(JobOwner, me, all)

struct ListJobs {
  std::int64_t limit = 50;
  std::optional<std::string> cursor;
  std::vector<JobStatus> status;
  std::optional<JobType> type;
  std::optional<std::string> template_id, version_id, workspace_id, build_id, run_id, daemon_id;
  bool dead_letter = false;
  JobOwner owner = JobOwner::me;
};
SLIPWAY_JSON_CAMEL(ListJobs, limit, cursor, status, type, template_id, version_id, workspace_id, build_id, run_id,
                   daemon_id, dead_letter, owner)
inline const json::Rules& json_rules(const ListJobs*) {
  static const json::Rules rules{
      kLimitRule,
      kCursorRule,
      {.member = "status", .description = "One or several, separated by commas", .max_items = 5},
      {.member = "template_id", .description = "Of this template"},
      {.member = "version_id", .description = "Of this version of a template"},
      {.member = "workspace_id", .description = "Of this workspace"},
      {.member = "build_id", .description = "Of this build"},
      {.member = "run_id", .description = "Of this run"},
      {.member = "daemon_id", .description = "That this daemon has, or had last"},
      {.member = "dead_letter", .description = "Only those that were given up"},
      {.member = "owner", .description = "all: everyone's, for admins; others see their own"}};
  return rules;
}

struct LogQuery {
  std::optional<std::int64_t> after;
  std::int64_t limit = 500;
};
SLIPWAY_JSON_CAMEL(LogQuery, after, limit)
inline const json::Rules& json_rules(const LogQuery*) {
  static const json::Rules rules{
      {.member = "after",
       .description = "Lines with a greater number; without it, from the first. A stream may begin there, too",
       .minimum = -1},
      {.member = "limit", .description = "Of a page: how many, at most", .minimum = 1, .maximum = kLinesMax}};
  return rules;
}

struct JobLogView {
  std::vector<fleet::NumberedLine> lines;
  std::int64_t next = -1;
  bool has_more = false;
  bool ended = false;
};
SLIPWAY_JSON_CAMEL(JobLogView, lines, next, has_more, ended)
inline const json::Rules& json_rules(const JobLogView*) {
  static const json::Rules rules{
      {.member = "next", .description = "To be asked for as `after` next"},
      {.member = "has_more", .description = "More lines are there already"},
      {.member = "ended", .description = "The job has ended: there are no lines but those that are there"}};
  return rules;
}

JobId id_of(const Call& call) { return JobId(call.parameters.at(0)); }

Job visible_job(store::Transaction& tx, const Call& call) {
  auto job = fleet::find_job(tx, call.caller->scope(), id_of(call));
  if (!job) throw base::not_found("job", id_of(call).str());
  return *job;
}

Answer list_all(Call& call) {
  const auto query = parse_query<ListJobs>(call);
  const auto paging = paging_of(query);
  const auto scope = query.owner == JobOwner::all ? call.caller->scope() : Scope::owner(call.caller->user);
  const fleet::JobFilter filter{.statuses = query.status,
                                .type = query.type,
                                .template_id = query.template_id,
                                .version_id = query.version_id,
                                .workspace_id = query.workspace_id,
                                .build_id = query.build_id,
                                .run_id = query.run_id,
                                .daemon_id = query.daemon_id,
                                .dead_letter = query.dead_letter,
                                .before = read_cursor(call, paging.cursor),
                                .limit = paging.limit + 1};
  const auto now = call.hub.clock.now();
  std::vector<JobView> views;
  Page page{.page_size = paging.limit};
  co_await read(call.hub, [&](store::Transaction& tx) {
    views.clear();
    const auto jobs = fleet::list_jobs(tx, scope, filter);
    const fleet::JobStandings standings(tx, jobs, call.hub.queue_limits, now);
    for (const auto& job : jobs) views.push_back(view_job_briefly(job, standings));
    page.total = fleet::count_jobs(tx, scope, filter);
  });
  page.has_more = std::int64_t(views.size()) > paging.limit;
  if (page.has_more) {
    views.pop_back();
    page.next_cursor = make_cursor(call, views.back().id.str());
  }
  json::Array items;
  for (const auto& view : views) items.push_back(json::to_value(view));
  co_return list(call.meta(), std::move(items), page);
}

Answer show(Call& call) {
  parse_query<NoQuery>(call);
  const auto now = call.hub.clock.now();
  JobView view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    view = view_job(tx, visible_job(tx, call), call.hub.queue_limits, now);
  });
  co_return call.success(200, json::to_value(view));
}

Answer cancel(Call& call) {
  parse_query<NoQuery>(call);
  parse_body<NoBody>(call);
  const auto now = call.hub.clock.now();
  std::optional<Job> cancelled;
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    const auto job = visible_job(tx, call);
    if (!fleet::request_job_cancel(tx, job.id, call.caller->name, now))
      throw base::invalid_state("the job has ended already");
    cancelled = visible_job(tx, call);
    return Deed{.answer = call.success(200, json::to_value(view_job(tx, *cancelled, call.hub.queue_limits, now))),
                .action = "job.cancel",
                .resource_type = "job",
                .resource_id = job.id.str(),
                .details = json::Object{{"run", job.run_id.str()}}};
  });
  call.hub.job_bells.ring(std::string(fleet::kBellCancels));
  if (cancelled) tell_moved(call.hub, {&*cancelled, 1});
  co_return std::move(committed.answer);
}

// ---- logs

std::int64_t read_last_event_id(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end != text.data() + text.size() || number < 0)
    throw base::validation_error("Last-Event-ID", "is none of ours");
  return number;
}

net::Response stream_head(const Call& call) {
  net::Response head{.status = 200, .headers = {}, .body = net::format_retry(base::Duration(500))};
  head.headers.set("Content-Type", "text/event-stream");
  head.headers.set("Cache-Control", "no-store");
  head.headers.set("X-Accel-Buffering", "no");
  head.headers.set("X-Request-Id", call.request_id);
  return head;
}

struct LogEnd {
  JobStatus status = JobStatus::succeeded;
};
SLIPWAY_JSON_CAMEL(LogEnd, status)

// Sends what is there, then what comes, until the job has ended and all is told.
net::Awaitable<void> follow(Call& call, std::int64_t after) {
  const auto id = id_of(call);
  const auto bell = call.hub.job_bells.bell(id.str());
  auto stream = co_await call.exchange.start_stream(stream_head(call));
  stream->on_closed([bell] { bell->ring(); });
  while (!stream->closed()) {
    const auto heard = bell->rung();
    std::vector<fleet::NumberedLine> lines;
    std::optional<Job> job;
    co_await read(call.hub, [&](store::Transaction& tx) {
      job = fleet::find_job(tx, call.caller->scope(), id);
      lines = fleet::read_log(tx, id, after + 1, kLinesPerRead);
    });
    std::string text;
    for (const auto& line : lines) {
      after = line.number;
      text += net::format_event({.id = std::to_string(line.number), .event = "log", .data = json::print(line)});
    }
    const bool all_told = std::int64_t(lines.size()) < kLinesPerRead;
    if (all_told && (!job || job->ended_at)) {
      const LogEnd end{job ? job->status : JobStatus::failed};
      text += net::format_event({.id = {}, .event = "end", .data = json::print(end)});
      if (co_await stream->write(std::move(text))) co_await stream->finish();
      co_return;
    }
    if (!text.empty() && !co_await stream->write(std::move(text))) co_return;
    if (!all_told) continue;
    co_await bell->wait_for_more(heard, kHeartbeat);
    if (bell->rung() == heard && !co_await stream->write(net::format_comment())) co_return;
  }
  co_await stream->finish();
}

Answer logs(Call& call) {
  const auto query = parse_query<LogQuery>(call);
  auto after = query.after.value_or(-1);
  if (const auto last = call.request.headers.get("Last-Event-ID"); last && !last->empty())
    after = std::max(after, read_last_event_id(*last));
  const auto accept = call.request.headers.get("Accept").value_or("");
  if (accept.find("text/event-stream") != std::string_view::npos) {
    co_await read(call.hub, [&](store::Transaction& tx) { visible_job(tx, call); });
    co_await follow(call, after);
    co_return std::nullopt;
  }
  JobLogView view;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto job = visible_job(tx, call);
    view.lines = fleet::read_log(tx, job.id, after + 1, query.limit);
    view.next = view.lines.empty() ? after : view.lines.back().number;
    view.has_more = view.next + 1 < job.next_log;
    view.ended = job.ended_at.has_value();
  });
  co_return call.success(200, json::to_value(view));
}

}  // namespace

void add_job_routes(Router& router) {
  const std::string base = "/v1/jobs";
  const std::string tag = "Jobs";
  router.add(net::Method::get, base, Permission::member, list_all,
             {.id = "listJobs",
              .tag = tag,
              .summary = "Jobs, newest first",
              .query = query_of<ListJobs>(),
              .answer = page_of<JobView>()});
  router.add(net::Method::get, base + "/:id", Permission::member, show,
             {.id = "getJob", .tag = tag, .summary = "One job; of one that waits, why", .answer = one<JobView>()});
  router.add(net::Method::get, base + "/:id/logs", Permission::member, logs,
             {.id = "readJobLog",
              .tag = tag,
              .summary = "A job's log, as pages or live",
              .description = "A stream has an event `log` for each line, whose id is the line's number, and ends with "
                             "an event `end` when the job has ended and all is told.",
              .query = query_of<LogQuery>(),
              .answer = one<JobLogView>(),
              .stream = events_of<fleet::NumberedLine>()});
  router.add(net::Method::post, base + "/:id/cancel", Permission::member, cancel,
             {.id = "cancelJob",
              .tag = tag,
              .summary = "Cancels a job: one that waits ends at once, one that is at work is asked to",
              .body = optional_body_of<NoBody>(),
              .answer = one<JobView>(),
              .errors = {409}});
}

}  // namespace slipway::api

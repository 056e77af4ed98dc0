#pragma once
// A provisioner daemon's job as it happens: its log, by stage; and a build of a workspace, which is such a job's run.

#include <ostream>
#include <string>

#include "app/cli/invocation.h"

namespace slipway::app::cli {

// Prints the lines of a job's log, a heading for each stage.
class JobLogPrinter {
 public:
  enum class Form {
    progress,  // indented: beside what else a command says
    plain,     // for pipes
    json,      // one line of JSON each, as the API has them
  };
  JobLogPrinter(std::ostream& out, const Style& style, Form form) : out_(out), style_(style), form_(form) {}

  void print(const json::Value& line);
  // Of a job that has no log yet: says once why it waits (RUN-4).
  void say_why_it_waits(HubClient& hub, const std::string& job_id);

 private:
  std::ostream& out_;
  const Style style_;
  const Form form_;
  std::string stage_;
  std::string said_;
};

// Prints the log of a job as it comes, until the job has ended; gives its status. A hub that goes away meanwhile is
// waited for (kPatience without any sign of it).
std::string follow_job_log(HubClient& hub, const base::Clock& clock, const std::string& job_id, JobLogPrinter& printer);
// The same as progress on stderr.
std::string follow_job_log(Invocation& invocation, const std::string& job_id);

inline constexpr std::string_view kBuildRun = "workspace.build";
// Follows a run that builds a workspace from a template, its job's log on stderr (with --output json: nothing), until
// it has ended. Ctrl-C leaves it going and says so. Returns the run as the API answered it.
json::Value follow_build(Invocation& invocation, const std::string& run_id);

}  // namespace slipway::app::cli

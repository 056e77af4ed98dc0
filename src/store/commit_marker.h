#pragma once
// The rows of commit_markers: which group of a writer was committed last (migrations/0001_store.sql).

#include <string_view>

#include "store/store.h"

namespace slipway::store {

// Parameters: writer, sequence, now.
inline constexpr std::string_view kWriteMarker =
    "INSERT INTO commit_markers (writer, sequence, updated_at) VALUES ($1, $2, $3) "
    "ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, updated_at = excluded.updated_at";
// Reads by writing, for two reasons: it waits for a transaction of a lost connection that has not ended yet, and it
// overwrites the log's end, so that a commit that was not applied cannot come back after a crash.
// Parameters: writer, now. Answers the sequence, 0 when there is none.
inline constexpr std::string_view kReadMarker =
    "INSERT INTO commit_markers (writer, sequence, updated_at) VALUES ($1, 0, $2) "
    "ON CONFLICT (writer) DO UPDATE SET updated_at = excluded.updated_at RETURNING sequence";

// A name for a writer that no other has or had.
std::string make_writer_name();
// Removes the rows of writers that are long gone. To be called when the database is opened.
void forget_old_markers(Transaction& transaction);

}  // namespace slipway::store

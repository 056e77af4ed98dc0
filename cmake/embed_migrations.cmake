# Writes OUTPUT, a .cpp that carries every migration in DIRECTORY as text: cmake -DDIRECTORY=… -DOUTPUT=… -P this file.
# NNNN_name.sql is for both databases; NNNN_name.sqlite.sql and NNNN_name.postgres.sql are for one, where text must differ.
file(GLOB files ${DIRECTORY}/*.sql)
list(SORT files)
set(entries "")
foreach(file IN LISTS files)
  get_filename_component(name ${file} NAME)
  if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)(\\.(sqlite|postgres))?\\.sql$")
    message(FATAL_ERROR "${name}: a migration is named NNNN_name.sql, NNNN_name.sqlite.sql or NNNN_name.postgres.sql")
  endif()
  set(number ${CMAKE_MATCH_1})
  set(title ${CMAKE_MATCH_2})
  set(dialect "${CMAKE_MATCH_4}")
  if(dialect STREQUAL "")
    set(dialect "std::nullopt")
  else()
    set(dialect "Dialect::${dialect}")
  endif()
  string(REGEX REPLACE "^0+" "" number ${number})
  file(READ ${file} text)
  string(APPEND entries "    {${number}, \"${title}\", ${dialect}, R\"migration(${text})migration\"},\n")
endforeach()
file(WRITE ${OUTPUT} "// Made by cmake/embed_migrations.cmake.
#include \"store/migrations.h\"

namespace slipway::store {

const std::vector<Migration>& embedded_migrations() {
  static const std::vector<Migration> all{
${entries}  };
  return all;
}

}  // namespace slipway::store
")

# SPDX-License-Identifier: Apache-2.0
# Several sources compiled as one: what they include is parsed once, and what they share of it is compiled once.
option(FEWSTEP_BATCHES "Compile tests and applications in batches of sources: all sooner, one that was changed later" OFF)

# fewstep_sources(TARGET SIZE SOURCE...): sources of a target; with FEWSTEP_BATCHES in batches of at most SIZE, each source
# in a namespace of its own (see batch.sh).
function(fewstep_sources target size)
  list(LENGTH ARGN count)
  math(EXPR batches "(${count} + ${size} - 1) / ${size}")
  if(NOT FEWSTEP_BATCHES OR batches EQUAL count)
    target_sources(${target} PRIVATE ${ARGN})
    return()
  endif()
  set(script ${PROJECT_SOURCE_DIR}/cmake/batch.sh)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ REGEX "^[^/]")
  foreach(batch RANGE 1 ${batches})
    math(EXPR first "(${batch} - 1) * ${count} / ${batches}")
    math(EXPR length "${batch} * ${count} / ${batches} - ${first}")
    list(SUBLIST ARGN ${first} ${length} sources)
    list(GET sources 0 source)
    cmake_path(GET source EXTENSION LAST_ONLY extension)
    set(output ${CMAKE_CURRENT_BINARY_DIR}/batches/${target}_${batch}${extension})
    add_custom_command(OUTPUT ${output} COMMAND ${script} ${output} ${sources} DEPENDS ${script} ${sources}
      COMMENT "" VERBATIM)
    target_sources(${target} PRIVATE ${output})
  endforeach()
endfunction()

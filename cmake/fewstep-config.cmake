# SPDX-License-Identifier: Apache-2.0
# find_package(fewstep [COMPONENTS io image eigen benchmark cuda]) gives fewstep::fewstep, fewstep::io, fewstep::image,
# fewstep::eigen, fewstep::benchmark and fewstep::cuda. With FEWSTEP_NO_OPENMP=ON set before, there is one thread and no
# OpenMP; with AUTO, where OpenMP is not found.
cmake_policy(VERSION 3.23)
include(${CMAKE_CURRENT_LIST_DIR}/fewstep-components.cmake)
if(fewstep_missing)
  set(fewstep_FOUND FALSE)
  set(fewstep_NOT_FOUND_MESSAGE "fewstep needs ${fewstep_missing}")
  return()
endif()
include(${CMAKE_CURRENT_LIST_DIR}/fewstep-targets.cmake)

foreach(component IN LISTS fewstep_FIND_COMPONENTS)
  if(TARGET fewstep::${component} AND component IN_LIST fewstep_components)
    set(fewstep_${component}_FOUND TRUE)
  elseif(fewstep_FIND_REQUIRED_${component})
    set(fewstep_FOUND FALSE)
    if(component IN_LIST fewstep_components)
      set(fewstep_NOT_FOUND_MESSAGE "fewstep's component ${component} needs ${fewstep_${component}_needs}")
    else()
      list(JOIN fewstep_components ", " names)
      set(fewstep_NOT_FOUND_MESSAGE "fewstep has no component ${component}; its components are ${names}")
    endif()
  endif()
endforeach()

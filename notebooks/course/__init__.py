"""What the notebooks of the course share: exercises, their checks, and the versions for students and lecturers.

``lesson_01.py`` and so on hold what each exercise expects, its tolerance and its hints; ``solutions/`` holds the
solutions that a lesson's `solution` prints. `checking` judges one answer, `lesson` asks for it in the notebook,
`record` keeps the attempts, `make_course` writes the versions that are handed out.
"""

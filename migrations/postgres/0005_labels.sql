-- What people call a value of the dimension, such as the name of a plan; empty where that is the value itself. It is of the
-- series: as a note of each day it took more room than the days.
ALTER TABLE series ADD COLUMN label TEXT NOT NULL DEFAULT '';

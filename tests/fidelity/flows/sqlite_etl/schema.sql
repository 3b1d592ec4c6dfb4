CREATE TABLE sales (item TEXT, units INTEGER);
